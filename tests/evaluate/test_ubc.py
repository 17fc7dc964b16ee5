"""The paper's Table 1 from folders of frames: rows, the split, and what is missing."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from realishuman.cli.main import main
from realishuman.detect.base import Part
from realishuman.errors import SettingsError
from realishuman.evaluate.clips import Clip
from realishuman.evaluate.distances import DISTANCES, Distance
from realishuman.evaluate.folders import FolderRun, add_real, compare
from realishuman.evaluate.ubc import in_split, read_split, rows_of, share_real, table_one, to_csv
from realishuman.imaging.boxes import Box
from realishuman.progress import Silent


class Mean:
    name, terms = "mean colour", DISTANCES

    def __call__(self, crop):
        return crop.mean(axis=(0, 1), dtype=np.float32)


class Bright:
    """Sees a hand and a face in every picture, as surely as it is bright."""

    provider = note = "none"

    def detect(self, picture, kinds, *, confidence, given=()):
        points = np.float32([(4, 4, 0), (28, 28, 0)])
        score = float(picture.mean()) / 255
        return [Part(kind, None, Box(4, 4, 28, 28), score, points) for kind in kinds]


def frames(folder, levels):
    """A video as a folder of frames of these brightnesses."""
    rng = np.random.default_rng(sum(levels))
    folder.mkdir(parents=True)
    for number, level in enumerate(levels):
        picture = np.clip(rng.normal(level, 3, (32, 32, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:04}.png"), picture)
    return Clip(folder.name, folder)


def of_means(first, second):
    """A distance that needs no torch-fidelity."""
    apart = np.mean(first, axis=0) - np.mean(second, axis=0)
    return Distance(float((apart**2).sum()), 0.0)


def test_each_method_has_a_row_before_and_after_with_the_distances_of_its_own_crops(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("realishuman.evaluate.ubc.distance", of_means)
    real = [frames(tmp_path / "real" / str(n), [200] * 4) for n in range(2)]
    before = [frames(tmp_path / "before" / str(n), [140] * 4) for n in range(2)]
    after = [frames(tmp_path / "after" / str(n), [190] * 4) for n in range(2)]
    truth, run = FolderRun([Mean()]), FolderRun([Mean()])
    kinds, detector = ["hand", "face"], Bright()
    add_real(truth, real, kinds, detector, Silent())
    share_real(run, truth)
    compare(run, list(zip(before, after, strict=True)), kinds, detector, Silent())

    rows = rows_of("Champ", run, kinds)
    table = table_one(rows, kinds, [DISTANCES])

    assert [row.name for row in rows] == ["Champ", "Champ+Ours"]
    assert table.columns == [
        "method", "hand Fréchet ↓", "hand kernel ↓", "hand Det. Conf. ↑",
        "face Fréchet ↓", "face kernel ↓", "face Det. Conf. ↑",
    ]  # fmt: skip
    first, second = table.cells
    assert first[1] == pytest.approx(3 * 60**2, rel=0.02)
    assert second[1] == pytest.approx(3 * 10**2, rel=0.1)
    assert first[3].mean == pytest.approx(140 / 255, abs=0.01)
    assert second[3].mean == pytest.approx(190 / 255, abs=0.01)
    lines = list(csv.reader(to_csv(table).splitlines()))
    assert lines[0] == list(table.columns)
    assert float(lines[2][3]) == second[3].mean


@pytest.fixture
def videos(tmp_path, monkeypatch):
    for place, level in (("real", 200), ("before", 140), ("after", 190)):
        for name in ("a", "b", "train"):
            frames(tmp_path / place / name, [level] * 6)
    monkeypatch.setattr("realishuman.detect.embedded.EmbeddedDetector", lambda _: Bright())
    return tmp_path


def command(videos, *more):
    methods = [("One", "before", "after"), ("Two", "before", "before")]
    named = [
        word
        for name, before, after in methods
        for word in ("--method", name, str(videos / before), str(videos / after))
    ]
    return main(
        ["evaluate", "ubc", "--real", str(videos / "real"), *named, "-o", str(videos / "r"),
         "--every", "3", "--quiet", *map(str, more)]
    )  # fmt: skip


def test_the_command_writes_the_table_in_three_forms(videos, capsys):
    (videos / "split.txt").write_text("https://vision.cs.ubc.ca/a.mp4\nb\nlost.mp4\n")

    assert command(videos, "--split", videos / "split.txt") == 0

    lines = list(csv.reader((videos / "r/table1.csv").read_text("utf-8").splitlines()))
    assert [line[0] for line in lines] == ["method", "One", "One+Ours", "Two", "Two+Ours"]
    assert [float(value) for value in lines[2][1:]] == pytest.approx([190 / 255] * 2, abs=0.01)
    told = json.loads((videos / "r/report.json").read_text("utf-8"))
    assert told["rows"][0]["cells"]["hand"]["score"]["count"] == 4  # 2 videos, 2 of 6 frames
    missing = "Of the 3 videos of the split, 1 are missing in One, lost for one."
    assert missing in told["notes"]
    for name in ("report.md", "report.html"):
        text = (videos / "r" / name).read_text("utf-8")
        assert "Table 1" in text
        assert "Two+Ours" in text
    assert "table1.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--method", "One", "x", "y"], "names One twice"),
        (["--every", "0"], "at least 1"),
        (["--parts", "ear"], "--parts must name"),
        (["--split", "none.txt"], "cannot be read"),
        (["--method", "Three", "none", "none"], "is not a folder"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_measured(videos, more, said, capsys):
    assert command(videos, *more) == 2
    assert said in capsys.readouterr().err
    assert not (videos / "r").exists()


def test_a_split_that_names_none_of_the_videos_is_refused(tmp_path):
    path = tmp_path / "split.txt"
    path.write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        read_split(path)
    path.write_text("x.mp4\n91.2\n")
    assert read_split(path) == {"x", "91.2"}
    with pytest.raises(SettingsError, match="none of the 1 videos"):
        in_split({"a": SimpleNamespace()}, frozenset({"b"}), tmp_path)
