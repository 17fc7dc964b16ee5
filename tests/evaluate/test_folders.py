from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.errors import SettingsError
from realishuman.evaluate.folders import (
    FolderRun,
    add_real,
    compare,
    folders_report,
    partners,
    save_crops,
)
from realishuman.progress import Silent


@pytest.fixture
def folders(tmp_path, pair):
    for name, picture in (("before", pair.malformed), ("after", pair.clean)):
        (tmp_path / name).mkdir()
        for number in range(2):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), picture[..., ::-1])
    return tmp_path


def run_of(folders, detector):
    run = FolderRun()
    found = partners(folders / "before", folders / "after")
    compare(run, found, ("hand",), detector, Silent())
    return run


def test_pictures_of_the_same_name_are_partners_whatever_their_format(folders):
    (folders / "after" / "1.png").rename(folders / "after" / "1.webp")

    found = partners(folders / "before", folders / "after")

    assert [(a.name, b.name) for a, b in found] == [("0.png", "0.png"), ("1.png", "1.webp")]


def test_a_picture_without_partner_an_empty_and_a_missing_folder_are_refused(folders, tmp_path):
    (folders / "after" / "1.png").unlink()
    (tmp_path / "empty").mkdir()

    with pytest.raises(SettingsError, match=r"1 of 2 pictures .*1\.png"):
        partners(folders / "before", folders / "after")
    with pytest.raises(SettingsError, match="holds no picture"):
        partners(folders / "before", folders / "empty")
    with pytest.raises(SettingsError, match="is no folder"):
        partners(folders / "before", folders / "missing")


def test_pictures_of_two_sizes_are_refused(folders, detector):
    cv2.imwrite(str(folders / "after" / "0.png"), np.zeros((5, 6, 3), np.uint8))

    with pytest.raises(SettingsError, match=r"96 x 96 pixels .* 6 x 5"):
        run_of(folders, detector)


def test_what_changed_is_measured_and_equal_pictures_changed_nothing(folders, detector):
    (changed, _) = run_of(folders, detector).parts
    same = FolderRun()
    compare(same, partners(folders / "before", folders / "before"), ("hand",), detector, Silent())

    assert changed.changed > 1
    assert changed.seam is not None
    assert (same.parts[0].changed, same.parts[0].seam) == (0, None)
    assert same.parts[0].score_before == same.parts[0].score_after == 0.9


def test_the_report_has_a_row_per_kind_and_asks_for_the_real_pictures_features(folders, detector):
    run = run_of(folders, detector)
    add_real(run, folders / "after", ("hand",), detector, Silent())

    report = folders_report(run, "unknown", {}, ("said",), shown=1)

    assert [row[:2] for row in report.tables[0].cells] == [("hand", 2)]
    assert len(report.tables) == 1  # no features, no distances
    assert len(report.sheet) == 1
    assert len(run.crops["hand", "real"]) == 2
    assert "said" in report.notes


def test_crops_are_saved_by_kind_and_set(folders, detector, tmp_path):
    save_crops(run_of(folders, detector), tmp_path / "crops")

    saved = sorted(str(p.relative_to(tmp_path / "crops")) for p in tmp_path.rglob("crops/*/*"))
    assert saved == [
        "hand-after/000000.png", "hand-after/000001.png",
        "hand-before/000000.png", "hand-before/000001.png",
    ]  # fmt: skip
