from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realishuman.batch import outputs
from realishuman.batch.outputs import plan
from realishuman.errors import SettingsError


def pairs(folder, *names):
    return [(folder / name, folder / "out" / name) for name in names]


def test_each_output_has_its_place(tmp_path):
    [one] = plan(pairs(tmp_path, "a.png"), compare=True, steps_folder=tmp_path / "steps")

    assert one.target == tmp_path / "out/a.png"
    assert one.comparison == tmp_path / "out/a-compare.png"
    assert one.steps == tmp_path / "steps/a"


def test_comparisons_are_named_apart_from_results_and_from_each_other(tmp_path):
    some = plan(pairs(tmp_path, "a-compare.png", "a.bmp", "a.png"), compare=True)

    written = [one.target for one in some] + [one.comparison for one in some]
    assert len(set(written)) == 6
    assert {path.name for path in written[3:]} == {
        "a-compare-compare.png", "a.bmp-compare.png", "a.png-compare.png",
    }  # fmt: skip


def test_a_comparison_never_replaces_another_picture(tmp_path):
    some = [(tmp_path / "a.png", tmp_path / "b.png"), (tmp_path / "b-compare.png", tmp_path / "c")]

    assert plan(some, compare=True)[0].comparison == tmp_path / "b.png-compare.png"


def test_a_result_may_replace_its_own_picture(tmp_path):
    assert plan([(tmp_path / "a.png", tmp_path / "a.png")])


def clash_of_results(folder):
    plan([(folder / "a.png", folder / "o/x.png"), (folder / "b.png", folder / "o/../o/x.png")])


def clash_with_another_picture(folder):
    plan([(folder / "a.png", folder / "b.png"), (folder / "b.png", folder / "c.png")])


def clash_of_report_and_result(folder):
    plan(pairs(folder, "a.png"), report=folder / "out/a.png")


def clash_of_report_and_picture(folder):
    plan(pairs(folder, "a.png"), report=folder / "a.png")


def clash_of_comparison_and_everything(folder):
    plan(pairs(folder, "a-compare.png", "a.png-compare.png", "a.png"), compare=True)


def clash_of_steps_and_picture(folder):
    plan(
        [(folder / "a/1-hand/1-crop.png", folder / "o/1.png"), (folder / "a.png", folder / "o/a")],
        steps_folder=folder,
    )


def clash_of_steps_and_report(folder):
    plan(pairs(folder, "a.png"), steps_folder=folder, report=folder / "a/report.json")


@pytest.mark.parametrize(
    ("clash", "named"),
    [
        (clash_of_results, "x.png"),
        (clash_with_another_picture, "b.png"),
        (clash_of_report_and_result, "the report"),
        (clash_of_report_and_picture, "the report"),
        (clash_of_comparison_and_everything, "comparison"),
        (clash_of_steps_and_picture, "1-crop.png"),
        (clash_of_steps_and_report, "report.json"),
    ],
)
def test_two_files_at_one_place_are_refused(tmp_path, clash, named):
    with pytest.raises(SettingsError, match=named):
        clash(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_to_a_folder_is_the_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(SettingsError, match="both"):
        plan([
            (tmp_path / "a.png", tmp_path / "real/x.png"),
            (tmp_path / "b.png", tmp_path / "link/x.png"),
        ])  # fmt: skip


def test_where_the_disk_ignores_case_names_that_differ_in_case_are_one(tmp_path, monkeypatch):
    some = pairs(tmp_path, "A.png", "a.PNG", "e\u0301.png", "\u00e9.png")
    assert len(plan(some)) == 4  # here

    monkeypatch.setattr(outputs, "_ignores_case", lambda folder: True)

    for two in (some[:2], some[2:]):
        with pytest.raises(SettingsError, match="both"):
            plan(two)


def test_this_disk_is_asked_whether_it_ignores_case(tmp_path):
    (tmp_path / "a").touch()

    assert outputs._ignores_case(tmp_path / "new/folder") == (tmp_path / "A").exists()


def test_folders_of_steps_are_told_apart_by_as_much_of_the_name_as_it_takes(tmp_path):
    def names(*some):
        made = plan(pairs(tmp_path, *some), steps_folder=Path("steps"))
        return [one.steps.relative_to("steps").as_posix() for one in made]

    assert names("a.png", "b.png") == ["a", "b"]
    assert names("a.png", "a.jpg") == ["a.png", "a.jpg"]
    assert names("1/a.png", "2/a.png", "b.png") == ["1/a.png", "2/a.png", "b.png"]
    assert names("a..png") == ["a"]  # Windows knows no folder "a."
