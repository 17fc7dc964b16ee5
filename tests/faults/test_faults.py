"""The short form of tests/faults/campaign.py: each seam of each world fails, in turn in other ways.

Every call and every fault: docs/reliability.md says how, and what came of it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.faults.campaign import Campaign
from tests.faults.injection import FAULTS, INTERRUPT, Injection, Seam, as_nan
from tests.faults.worlds import WORLDS, opened

FAULTS_EACH = 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, about the NaN that it is given
@pytest.mark.parametrize("world", WORLDS)
def test_whatever_fails_the_picture_and_the_host_are_as_they_were(world, tmp_path):
    with opened(WORLDS[world], tmp_path) as made:
        campaign = Campaign(made)
        for number, seam in enumerate(made.seams()):
            calls = campaign.count(seam)
            some = [one for one in seam.faults if one != "hang"]
            for turn in range(min(FAULTS_EACH, len(some))) if calls else ():
                fault = some[(number + turn) % len(some)]
                nth = 1 + (calls - 1) * turn // FAULTS_EACH
                try:
                    assert campaign.strike(seam, fault, nth)
                except AssertionError as error:
                    raise AssertionError(f"{seam.label}, call {nth}, {fault}: {error}") from error


class Sums:
    """Something with a seam."""

    def add(self, one, other):
        return one + other


def test_only_the_nth_call_fails_and_afterwards_none():
    sums = Sums()
    with Injection(Seam("sum", Sums, "add", (), ours=False), FAULTS["exception"], 2) as injected:
        assert sums.add(1, 2) == 3
        with pytest.raises(RuntimeError, match="injected"):
            sums.add(1, 2)
        assert sums.add(1, 2) == 3

    assert injected.calls == 3
    assert injected.struck
    assert sums.add(3, 4) == 7
    assert set(vars(sums)) == set()


def test_numbers_become_nan_in_whatever_they_are_wrapped():
    made = as_nan({"a": [1.5, torch.ones(2)], "b": (np.zeros(3), np.arange(3)), "c": "text"})

    assert np.isnan(made["a"][0])
    assert made["a"][1].isnan().all()
    assert np.isnan(made["b"][0]).all()
    assert made["b"][1].tolist() == [0, 1, 2]
    assert made["c"] == "text"


class Careless(WORLDS["Python"]):
    """A run that loses the user's picture when anything fails, and leaves a file."""

    def run(self):
        found = super().run()
        if "injected" in found.said:
            (self.folder / "left.part").touch()
            found.image = found.image + 1
        return found


@pytest.mark.parametrize("fault", ["exception", INTERRUPT])
def test_a_campaign_notices_what_is_broken(fault, tmp_path):
    with opened(Careless, tmp_path) as made:
        campaign, (seam,) = Campaign(made), made.seams()
        if fault == INTERRUPT:
            assert campaign.strike(seam, fault, 1)
            return
        with pytest.raises(AssertionError, match=r"left behind: .*left\.part"):
            campaign.strike(seam, fault, 1)
        (tmp_path / "left.part").unlink()
        made.files = lambda: {}
        with pytest.raises(AssertionError, match="pixels are neither"):
            campaign.strike(seam, fault, 1)
