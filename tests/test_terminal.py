"""Bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import time

import pytest

from realishuman import terminal
from realishuman.cli.models import Bytes
from realishuman.terminal import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when they are added to."""
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def two_pictures(bar, clock):
    for number in (1, 2, 3):
        bar.picture(number, 3)
        bar.begin("stage one", 2)
        bar.step()
        clock[0] += 150.0
        bar.say(f"picture {number} is done")


def test_a_log_holds_plain_lines_that_say_how_far_the_run_is(monkeypatch, clock):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)

    with Bar() as bar:
        two_pictures(bar, clock)

    assert log.getvalue() == (
        "1 of 3: picture 1 is done\n"
        "2 of 3, 5 min left: picture 2 is done\n"
        "3 of 3, 2 min left: picture 3 is done\n"
    )


def test_a_terminal_has_a_bar_for_all_and_one_below_for_the_stage(monkeypatch, clock):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)

    with Bar() as bar:
        two_pictures(bar, clock)

    shown = screen.getvalue()
    assert "2 of 3, 5 min left |" in shown
    assert "picture 2 is done\n" in shown
    assert "2 of 3, 5 min left: picture" not in shown


def test_one_picture_has_no_bar_for_all(monkeypatch, clock):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)

    with Bar() as bar:
        bar.picture(1, 1)
        bar.say("done")

    assert screen.getvalue() == "done\n"


def test_quiet_draws_nothing_and_says_no_more_than_the_lines(monkeypatch, clock):
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr("sys.stderr", stream)
        with Bar(quiet=True) as bar:
            two_pictures(bar, clock)
        assert stream.getvalue().splitlines() == [f"picture {n} is done" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (20, ", 20 s left"),
        (150, ", 2 min left"),
        (3600, ", 1 h 0 min left"),
        (5000, ", 1 h 23 min left"),
    ],
)
def test_time_left_is_told_in_its_own_unit(seconds, text):
    assert terminal._say_left(seconds, 1, 2) == text


def test_a_download_in_a_log_draws_no_bar(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)

    with Bytes() as bar:
        bar.begin("file", 100)
        time.sleep(0.6)  # bars come after half a second
        bar.step(50)
        time.sleep(0.2)
        bar.step(50)

    assert log.getvalue() == ""


def test_a_log_hears_of_a_clips_frames_now_and_then(monkeypatch, clock):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)

    with Bar() as bar:
        for number in range(11, 21):  # a run that was stopped after frame 10
            bar.frame("refining", number, 20)
            clock[0] += 12.0

    assert log.getvalue().splitlines() == [
        "refining frame 14 of 20, 1 min left",
        "refining frame 17 of 20, 48 s left",
        "refining frame 20 of 20, 12 s left",
    ]
