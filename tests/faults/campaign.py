"""Runs each world with each fault at each call of each seam, and checks what is left of it.

    python -m tests.faults.campaign [WORLD ...] [--most N] [--seconds S] [--json FILE]

docs/reliability.md has the table that it prints.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from tests.faults import injection
from tests.faults.injection import FAULTS, INTERRUPT, Injection, Seam
from tests.faults.worlds import WORLDS, Outcome, World, opened

TRACE = "Traceback"


@dataclass
class Tally:
    """What became of the faults of one seam in one world."""

    world: str
    seam: str
    calls: int = 0
    undisturbed: int = 0
    runs: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Campaign:
    """One world, whose undisturbed run is known."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.run()  # opens networks
        self.before = world.state()
        self.whole = world.run()
        self.files = world.files()
        again = world.run()
        assert np.array_equal(self.whole.image, again.image), "runs differ without any fault"
        assert (self.whole.image != world.picture).any(), "nothing is refined without any fault"
        world.check(self.before)

    def strike(self, seam: Seam, fault: str, nth: int) -> bool:
        """Let the nth call fail; whether there was one. AssertionError says what is broken."""
        world = self.world

        def stopped(call):
            world.interrupt()
            return call()

        how = stopped if fault == INTERRUPT else FAULTS[fault]
        with Injection(seam, how, nth) as injected:
            found = world.run()
        if injected.struck:
            self._check(found, harmless=fault == "hang")
            if fault == "nan" and seam.ours:  # what a single layer gives may be used by nobody
                assert not np.array_equal(found.image, self.whole.image), "NaN passes unnoticed"
        return injected.struck

    def count(self, seam: Seam) -> int:
        """How many calls an undisturbed run makes; it is checked to be one."""
        with Injection(seam, None) as injected:
            found = self.world.run()
        self._check(found, harmless=True)
        return injected.calls

    def _check(self, found: Outcome, harmless: bool) -> None:
        world = self.world
        world.check(self.before)
        new = set(world.files()) - set(self.files)
        assert not new, f"left behind: {sorted(new)}"
        kept = _differing(found.image, self.whole.image, world.picture)
        if harmless:
            assert kept == "whole", f"the picture is {kept}: {found.said}"
        assert kept != "neither", f"pixels are neither the input's nor the result's: {found.said}"
        if kept != "whole":
            assert found.said.strip(), "nothing is said"
            assert found.said != self.whole.said, f"it is said that all is well: {found.said}"
        assert TRACE not in found.said, f"a traceback is shown: {found.said}"


def _differing(image, whole, picture) -> str:
    """Whether a picture is the whole result, the input, a part of both, or neither."""
    if image is None:
        return "not written"
    if np.array_equal(image, whole):
        return "whole"
    if np.array_equal(image, picture):
        return "the input"
    middle = image.shape[1] // 2
    halves = [
        np.array_equal(image[:, half], one[:, half])
        for half in (np.s_[:middle], np.s_[middle:])
        for one in (whole, picture)
    ]
    if any(halves[:2]) and any(halves[2:]):
        return "one part of the result"
    return "neither"


def tally(campaign: Campaign, seam: Seam, numbers, until: float) -> Tally:
    """All faults of a seam at these calls: `numbers` makes them of the count of calls.

    After each call the next run without any fault is checked.
    """
    made = Tally(campaign.world.name, seam.label, campaign.count(seam))
    for nth in numbers(made.calls):
        for fault in seam.faults:
            if time.monotonic() > until:
                return made
            made.runs[fault] += _note(made, f"call {nth}, {fault}", campaign, seam, fault, nth)
        _note(made, f"the next run after call {nth}", campaign, seam)
        made.undisturbed += 1
    return made


def _note(made: Tally, where: str, campaign: Campaign, seam: Seam, *fault) -> bool:
    """Strike, or count calls without a fault; whether there was a call to strike."""
    try:
        return campaign.strike(seam, *fault) if fault else bool(campaign.count(seam))
    except KeyboardInterrupt:
        if INTERRUPT not in fault:
            raise
        made.failures.append(f"{seam.label}, {where}: the interrupt comes out at the top")
    except AssertionError as error:
        made.failures.append(f"{seam.label}, {where}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
        made.failures.append(f"{seam.label}, {where}: {type(error).__name__}: {error}\n{trace}")
    return True


def every(count: int) -> range:
    """All calls."""
    return range(1, count + 1)


def spread(most: int):
    """At most so many calls, the first and the last among them."""

    def numbers(count: int) -> list[int]:
        if count <= most:
            return list(every(count))
        return sorted({round(1 + k * (count - 1) / max(most - 1, 1)) for k in range(most)})

    return numbers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", nargs="*", default=list(WORLDS))
    parser.add_argument("--seam", help="only seams whose name contains this")
    parser.add_argument("--most", type=int, default=10**6, help="calls of a seam at most")
    parser.add_argument("--seconds", type=float, default=1e9, help="of each world, at most")
    parser.add_argument("--hang", type=float, default=injection.HANG, help="seconds of a hang")
    parser.add_argument("--json", type=Path, help="write what came of it here")
    options = parser.parse_args()
    injection.HANG = options.hang
    torch.set_num_threads(1)
    logging.disable()
    all_of_them = []
    for name in options.worlds:
        with tempfile.TemporaryDirectory() as folder, opened(WORLDS[name], Path(folder)) as world:
            campaign, until = Campaign(world), time.monotonic() + options.seconds
            for seam in world.seams():
                if options.seam and options.seam not in seam.label:
                    continue
                made = tally(campaign, seam, spread(options.most), until)
                all_of_them.append(made)
                if options.json:
                    options.json.write_text(json.dumps([vars(one) for one in all_of_them]))
                total = sum(made.runs.values())
                sys.stdout.write(
                    f"| {made.world} | {made.seam} | {made.calls} | {total} | "
                    f"{len(made.failures)} |\n"
                )
                for line in made.failures[:6]:
                    sys.stdout.write(f"    {line}\n")
                sys.stdout.flush()
    return int(any(one.failures for one in all_of_them))


if __name__ == "__main__":
    sys.exit(main())
