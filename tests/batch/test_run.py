"""Runs of many pictures without networks: told, journalled, resumed and reported."""

from __future__ import annotations

import json

import pytest

from realishuman.batch.journal import Journal
from realishuman.batch.outputs import Outputs
from realishuman.batch.run import refine_files
from realishuman.errors import PackError, PictureError, SettingsError


class Said:
    """Keeps the lines; counts pictures."""

    def __init__(self):
        self.lines, self.numbers = [], []

    def picture(self, number, total):
        self.numbers.append((number, total))

    def say(self, text):
        self.lines.append(text)

    def begin(self, stage, total):
        pass

    def step(self, count=1):
        pass


@pytest.fixture
def outputs(tmp_path):
    (tmp_path / "out").mkdir()
    found = []
    for name in "abcde":
        source = tmp_path / f"{name}.png"
        source.write_bytes(name.encode())
        found.append(Outputs(source, tmp_path / "out" / f"{name}.png"))
    return found


def entry(**more):
    return {"message": "done.", "parts": [], "missed": [], "notes": [], "lost": [], **more}


def copying(seen, stop_after=99, failing=(), error=KeyboardInterrupt):
    """A way that copies pictures, in reverse; stops with an error after so many."""

    def way(todo, watch):
        for number, place in enumerate(reversed(range(len(todo)))):
            if number == stop_after:
                raise error
            one = todo[place]
            seen.append(one.source.stem)
            watch.picture(number + 1, len(todo))
            if one.source.stem in failing:
                yield place, {"error": "it is broken."}
                continue
            one.target.write_bytes(one.source.read_bytes())
            yield place, entry()

    return way


def go(outputs, way, report=None, **more):
    said = Said()
    with Journal(outputs[0].target.parent, "name") as journal:
        failed = refine_files(outputs, way, journal, report=report, watch=said, **more)
    return failed, said.lines


def hidden(outputs):
    return [one.name for one in outputs[0].target.parent.iterdir() if one.name.startswith(".")]


def test_a_run_that_was_stopped_goes_on_and_its_report_is_that_of_a_whole_run(outputs, tmp_path):
    first, second, whole = [], [], []
    with pytest.raises(KeyboardInterrupt):
        go(outputs, copying(first, stop_after=3), tmp_path / "first.json")
    assert len(json.loads((tmp_path / "first.json").read_text())) == 3
    assert hidden(outputs) == [".realishuman-name.jsonl"]

    failed, lines = go(outputs, copying(second), tmp_path / "second.json")

    assert (failed, first, second) == (0, ["e", "d", "c"], ["b", "a"])
    assert "3 of 5 pictures were done when this command was stopped" in lines[0]
    assert hidden(outputs) == []
    go(outputs, copying(whole), tmp_path / "whole.json")
    assert whole == ["e", "d", "c", "b", "a"]  # a run that was done begins anew
    assert (tmp_path / "second.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    inputs = [one["input"] for one in json.loads((tmp_path / "whole.json").read_text())]
    assert inputs == [str(one.source) for one in outputs]


@pytest.mark.parametrize("changed", ["source", "target"])
@pytest.mark.parametrize("how", ["written", "removed"])
def test_a_picture_that_changed_is_done_again(outputs, changed, how):
    with pytest.raises(KeyboardInterrupt):
        go(outputs, copying([], stop_after=3))
    path = getattr(outputs[4], changed)
    if how == "removed":
        path.unlink()
        outputs[4].source.write_bytes(b"back")
    else:
        path.write_bytes(b"longer")
    again = []

    go(outputs, copying(again))

    assert again == ["e", "b", "a"]


def test_failures_are_reported_and_only_they_are_tried_again(outputs, tmp_path):
    failed, lines = go(outputs, copying([], failing="bd"), tmp_path / "report.json")
    assert failed == 2
    assert f"{outputs[1].source}: it is broken." in lines
    report = json.loads((tmp_path / "report.json").read_text())
    assert ["error" in one for one in report] == [False, True, False, True, False]
    assert "output" not in report[1]
    again = []

    failed, _ = go(outputs, copying(again), tmp_path / "report.json")

    assert (failed, again) == (0, ["d", "b"])
    assert not any("error" in one for one in json.loads((tmp_path / "report.json").read_text()))
    assert hidden(outputs) == []


def test_where_nothing_could_be_done_nothing_stays(outputs):
    with pytest.raises(PackError):
        go(outputs, copying([], stop_after=0, error=PackError("no pack")))
    assert hidden(outputs) == []
    assert go(outputs, copying([], failing="abcde"))[0] == 5
    assert hidden(outputs) == []


def test_a_line_that_a_kill_cut_short_is_left_out(outputs):
    with pytest.raises(KeyboardInterrupt):
        go(outputs, copying([], stop_after=3))
    path = outputs[0].target.parent / ".realishuman-name.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    again = []

    go(outputs, copying(again))

    assert again == ["c", "b", "a"]


def test_the_same_command_runs_once_at_a_time(outputs):
    folder = outputs[0].target.parent
    with Journal(folder, "name"):
        with pytest.raises(SettingsError, match="already running"):
            Journal(folder, "name")
        with Journal(folder, "another"):
            pass


def test_a_folder_that_takes_no_journal_is_said_so(tmp_path):
    with pytest.raises(SettingsError, match="cannot be opened"):
        Journal(tmp_path / "none", "name")


def test_a_full_disk_is_a_sentence_and_the_run_can_go_on(outputs, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(PictureError, match=r"No space left.*goes on where it stopped"):
            go(outputs, copying([]))
    again = []
    go(outputs, copying(again))
    assert again == ["e", "d", "c", "b", "a"]


def test_where_all_is_done_no_way_is_begun(outputs, tmp_path):
    def never(*_):
        raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        go(outputs, interrupted_at_the_end, tmp_path / "report.json")

    failed, _ = go(outputs, never, tmp_path / "report.json")

    assert failed == 0
    assert len(json.loads((tmp_path / "report.json").read_text())) == 5
    assert hidden(outputs) == []


def interrupted_at_the_end(todo, watch):
    yield from copying([])(todo, watch)
    raise KeyboardInterrupt


def test_skipped_pictures_stand_in_the_report(outputs, tmp_path):
    seen = []
    go(outputs, copying(seen), tmp_path / "report.json", skipped=set(outputs[:2]))

    report = json.loads((tmp_path / "report.json").read_text())
    assert seen == ["e", "d", "c"]
    assert [one.get("skipped") for one in report[1:3]] == ["the result already exists", None]


def test_a_report_of_nothing_is_an_empty_list(outputs, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        go(outputs, copying([], stop_after=0), tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == []
