"""Reads spoilt inputs for as long as is asked, and prints what came of it.

    python -m tests.fuzz [TARGET ...] [--inputs N] [--seconds S] [--first NUMBER]

A finding is printed with its number, which makes the same input again: --first NUMBER --inputs 1.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import torch

from tests.fuzz.targets import TARGETS, attack

MEMORY = 8 * 2**30  # bytes of address space; a bomb ends as MemoryError, which is a finding
SLOW = 5.0  # CPU seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--inputs", type=int, default=10**9, help="of each target at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each target at most")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    options = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    findings = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.targets:
            until, taken, count, seen = time.monotonic() + options.seconds, 0, 0, set()
            for number in range(options.first, options.first + options.inputs):
                if time.monotonic() > until:
                    break
                count += 1
                began = time.process_time()
                try:
                    taken += attack(name, Path(folder), number)
                except Exception as error:  # noqa: BLE001 - it is a finding
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    key = (type(error), where.filename, where.lineno)
                    if key not in seen:
                        seen.add(key)
                        last = traceback.format_exc().splitlines()[-5:]
                        sys.stdout.write("\n    ".join([f"  {name} {number}:", *last]) + "\n")
                if time.process_time() - began > SLOW and "slow" not in seen:
                    seen.add("slow")
                    sys.stdout.write(
                        f"  {name} {number}: took {time.process_time() - began:.0f} s\n"
                    )
            findings += len(seen)
            sys.stdout.write(f"| {name} | {count} | {taken} | {len(seen)} |\n")
            sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"peak memory {peak:.0f} MB\n")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
