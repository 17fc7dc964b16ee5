"""The text on the WebUI's bar."""

from __future__ import annotations

import pytest

from realishuman.webui.host import progress as module
from realishuman.webui.host.progress import HostProgress
from tests.webui.stand_in import State


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_parts_stage_step_and_the_time_left_are_told(clock):
    state = State()
    with HostProgress(state, 4) as made:
        made.begin("detect", 1)
        assert state.textinfo == "RealisHuman: detect"
        made.work_on(["1 right hand", "2 left hand"], 0, 3)
        made.begin("stage one", 20)
        assert state.textinfo == "RealisHuman: 1 right hand, 2 left hand: part 1 to 2 of 3, " + (
            "stage one 0/20"
        )
        clock[0] += 10
        made.step(10)  # a quarter of two thirds: 10 s of 60
        assert state.textinfo.endswith("stage one 10/20, about 50 s left")
        made.begin("stage two", 20)
        clock[0] += 10
        made.step(10)
        assert state.textinfo.endswith("stage two 10/20, about 20 s left")  # a half took 20 s
        made.work_on(["3 face"], 2, 3)
        made.begin("stage one", 20)
        assert state.textinfo.endswith("3 face: part 3 of 3, stage one 0/20, about 10 s left")


def test_a_part_alone_and_a_stage_of_one_step_are_told_in_few_words(clock):
    state = State()
    with HostProgress(state) as made:
        made.work_on(["1 right hand"], 0, 1)
        made.begin("transplant", 1)

        assert state.textinfo == "RealisHuman: 1 right hand: transplant"
