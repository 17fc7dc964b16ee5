"""What is done when the user stops a run is kept, and progress says which part is painted."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.pipeline.refine import STOPPED, refine
from realishuman.pipeline.result import Stopped
from realishuman.progress import Interrupted
from realishuman.settings import Settings


class Watch:
    """Stops a run when the part of this number begins; remembers what it was told."""

    def __init__(self, stop_at=None):
        self.stop_at, self.told = stop_at, []

    def work_on(self, names, done, total):
        self.told.append((list(names), done, total))
        if self.stop_at == done:
            raise Interrupted

    def begin(self, stage, total):
        pass

    def step(self, count=1):
        pass


@pytest.fixture
def picture():
    y, x = np.mgrid[0:300, 0:420]
    return np.stack([x % 256, y % 256, (x + y) // 4 % 256], axis=2).astype(np.uint8)


@pytest.fixture
def two(models_of, flat_hand):
    return models_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])


ONE_BY_ONE = Settings(parts=("hand",), steps=1, max_batch=1)


def test_the_parts_that_were_done_are_in_the_result(picture, two):
    whole = refine(picture, two, ONE_BY_ONE)

    with pytest.raises(Stopped) as stopped:
        refine(picture, two, ONE_BY_ONE, progress=Watch(stop_at=1))

    result = stopped.value.result
    assert [one.outcome for one in result.parts] == ["refined", "kept"]
    assert result.parts[1].reason == STOPPED
    assert result.message.startswith("1 of 2 parts refined.")
    left, right = np.s_[:, :190], np.s_[:, 230:]
    np.testing.assert_array_equal(result.image[left], whole.image[left])
    np.testing.assert_array_equal(result.image[right], picture[right])
    assert (result.image[left] != picture[left]).any()


def test_a_run_that_is_stopped_before_any_part_is_done_has_no_result(picture, two):
    with pytest.raises(Interrupted) as stopped:
        refine(picture, two, ONE_BY_ONE, progress=Watch(stop_at=0))

    assert not isinstance(stopped.value, Stopped)


def test_progress_hears_which_parts_are_painted_together(picture, two):
    one, both = Watch(), Watch()

    refine(picture, two, ONE_BY_ONE, progress=one)
    refine(picture, two, Settings(parts=("hand",), steps=1), progress=both)

    assert one.told == [(["1 right hand"], 0, 2), (["2 right hand"], 1, 2)]
    assert both.told == [(["1 right hand", "2 right hand"], 0, 2)]
