"""Which pictures names stand for, and where their results go."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realishuman.batch.places import arrange
from realishuman.errors import SettingsError
from realishuman.imaging.drawn import is_drawn, make_drawn_png


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A function: pictures and other files below the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".jpg"):
                Image.new("RGB", (4, 4)).save(path)
            else:
                path.write_text("words")
        return tmp_path

    return make


def results(names, output="out", **options):
    pairs = arrange(names, output, **options).pairs
    return {source.as_posix(): target.as_posix() for source, target in pairs}


def test_a_folders_tree_stands_again_in_the_output(made):
    made("in/2026-01-01/00001.png", "in/2026-01-02/00001.png", "in/top.jpg")

    assert results(["in"]) == {
        "in/2026-01-01/00001.png": "out/2026-01-01/00001.png",
        "in/2026-01-02/00001.png": "out/2026-01-02/00001.png",
        "in/top.jpg": "out/top.jpg",
    }


@pytest.mark.parametrize("names", [["in/*/*.png"], ["in/a/1.png", "in/b/1.png"], ["in/a", "in/b"]])
def test_equal_names_keep_the_folders_that_tell_them_apart(made, names):
    made("in/a/1.png", "in/b/1.png")

    assert results(names) == {"in/a/1.png": "out/a/1.png", "in/b/1.png": "out/b/1.png"}


def test_names_that_differ_go_side_by_side(made):
    made("in/a/1.png", "in/b/2.png")

    assert results(["in/*/*.png"]) == {"in/a/1.png": "out/1.png", "in/b/2.png": "out/2.png"}


def test_names_that_only_some_file_systems_tell_apart_are_equal(made):
    made("a/X.png", "b/x.png")

    assert list(results(["a", "b"]).values()) == ["out/a/X.png", "out/b/x.png"]


def test_pictures_that_only_their_extension_tells_apart_keep_it(made):
    made("in/a.jpg", "in/a.png", "in/b.png")

    assert list(results(["in"], form="png").values()) == [
        "out/a.jpg.png", "out/a.png.png", "out/b.png",
    ]  # fmt: skip


def test_a_format_and_a_suffix_change_the_results_names(made):
    made("in/a.jpg")

    assert results(["in"], form="webp", suffix="-fixed") == {"in/a.jpg": "out/a-fixed.webp"}


def test_what_is_no_input_is_passed_over_and_said(made):
    folder = made("in/a.png", "in/notes.txt", "in/.hidden.png", "in/.cache/b.png", "in/out/a.png")
    (folder / "in/a-compare.png").write_bytes(make_drawn_png(np.zeros((4, 4, 3), np.uint8)))
    if sys.platform != "win32":
        (folder / "in/link").symlink_to(folder / "in", target_is_directory=True)

    arranged = arrange(["in"], "in/out", apart_from=[Path("in/steps")])

    assert [source.as_posix() for source, _ in arranged.pairs] == ["in/a.png"]
    said = arranged.passed_over
    assert said.startswith("Skipped: ")
    for part in (
        "1 comparison or sheet made by realishuman",
        "1 file of another kind",
        "2 hidden files or folders",
        "1 folder of this run's outputs",
    ):
        assert part in said
    if sys.platform != "win32":
        assert "1 linked folder" in said


def test_a_users_own_picture_may_be_called_a_comparison(made):
    made("in/a.png", "in/a-compare.png")

    assert list(results(["in"])) == ["in/a-compare.png", "in/a.png"]


def test_only_files_we_drew_are_told_to_be_drawn(made):
    folder = made("a.png", "b.jpg")
    (folder / "c.png").write_bytes(make_drawn_png(np.full((300, 500, 3), 7, np.uint8)))

    assert [is_drawn(folder / name) for name in ("a.png", "b.jpg", "c.png", "none.png")] == [
        False, False, True, False,
    ]  # fmt: skip
    with Image.open(folder / "c.png") as picture:
        assert np.asarray(picture).tolist() == np.full((300, 500, 3), 7).tolist()


def test_a_glob_does_not_match_this_runs_own_folder(made):
    made("in/a/1.png", "in/out/1.png")

    arranged = arrange(["in/**/*.png"], "in/out")

    assert [source.as_posix() for source, _ in arranged.pairs] == ["in/a/1.png"]
    assert "1 result of an earlier run" in arranged.passed_over


def test_results_beside_their_pictures_are_no_pictures_of_the_next_run(made):
    made("in/a.png", "in/a-fixed.png", "in/b.png")

    for names in (["in"], ["in/*.png"]):
        arranged = arrange(names, "in", suffix="-fixed")
        assert [target.name for _, target in arranged.pairs] == ["a-fixed.png", "b-fixed.png"]
        assert arranged.passed_over == "Skipped: 1 result of an earlier run."


def test_without_a_suffix_nothing_may_go_over_the_pictures(made):
    made("in/a.png")

    with pytest.raises(SettingsError, match=r"itself one of the pictures.*--suffix"):
        arrange(["in"], "in")


@pytest.mark.parametrize(
    ("names", "output", "options", "sentence"),
    [
        (["a.png", "b.png"], "c.png", {}, "c.png names one file, but there are 2 pictures"),
        (["a.png"], "c.png", {"form": "jpg"}, r"ends in .png, not in .jpg"),
        (["a.png"], "c.png", {"suffix": "-x"}, "c.png names the file"),
        (["notes"], "out", {}, r"notes contains no picture .* 1 file of another kind"),
        (["none*"], "out", {}, r"none\* matches no file"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(made, names, output, options, sentence):
    made("a.png", "b.png", "notes/x.txt")

    with pytest.raises(SettingsError, match=sentence):
        arrange(names, output, **options)
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "b.png", "notes"]


def test_a_folder_may_have_a_dot_in_its_name(made):
    made("a.png", "b.png")

    assert list(results(["a.png", "b.png"], "v1.5").values()) == ["v1.5/a.png", "v1.5/b.png"]
    assert list(results(["a.png", "b.png"], "x.png/").values()) == ["x.png/a.png", "x.png/b.png"]
