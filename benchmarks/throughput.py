"""Pictures per second of a folder: one process, as many plain commands as cores, workers, Ray.

    python -m benchmarks.throughput [FOLDER [WORKERS [ROUNDS [WAYS]]]]

WAYS is a list such as loop,commands,workers,ray (default: the first three). Without a folder,
48 small pictures are made, 12 of which show a hand that is repainted. Ways take turns, as a busy
machine would favour one; there, look at the CPU time. The start of Python and of the networks
counts, as it does for users.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.kills import ROOT, make_pictures
from realishuman.batch.workers import cores
from realishuman.imaging.formats import readable

PICTURES, HANDS = 48, 4


def main(folder: str = "", workers: str = "", rounds: str = "3", ways: str = "") -> None:
    """Measure every way in turn, and print the median and the fastest round."""
    count = int(workers or cores())
    chosen = (ways or "loop,commands,workers").split(",")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        source = Path(folder) if folder else place / "in"
        if not folder:
            make_pictures(source, PICTURES, every=HANDS)
        pictures = sorted(p for p in source.rglob("*") if p.suffix.lower() in readable())
        print(f"{len(pictures)} pictures, {cores()} cores, {count} workers")
        runs: dict[str, Callable[[Path], None]] = {
            "loop": lambda out: refine([str(source)], out, "--workers", "1"),
            "commands": lambda out: refine_shares(pictures, out, count),
            "workers": lambda out: refine([str(source)], out, "--workers", str(count)),
            "ray": lambda out: refine([str(source)], out, "--ray", "--workers", str(count)),
        }
        seconds: dict[str, list[float]] = {way: [] for way in chosen}
        for number in range(int(rounds)):
            for way in chosen:
                start, start_cpu = time.perf_counter(), children_cpu()
                runs[way](place / f"{way}{number}")
                seconds[way].append(time.perf_counter() - start)
                cpu = children_cpu() - start_cpu
                print(
                    f"round {number + 1}, {way}: {seconds[way][-1]:.1f} s, CPU {cpu:.1f} s",
                    flush=True,
                )
        for way, found in seconds.items():
            median, least = statistics.median(found), min(found)
            rates = f"{len(pictures) / median:.2f} (at best {len(pictures) / least:.2f})"
            print(f"{way:10} {rates} pictures per second")


def children_cpu() -> float:
    """CPU seconds of all processes that were started from here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def command(sources: list[str], out: Path, *options: str) -> list[str]:
    """The line that refines these into a folder."""
    line = [sys.executable, "-m", "realishuman", "refine", *sources, "-o", f"{out}/", "--quiet"]
    return [*line, *options]


def refine(sources: list[str], out: Path, *options: str) -> None:
    """Run one command to its end."""
    subprocess.run(command(sources, out, *options), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


def refine_shares(pictures: list[Path], out: Path, count: int) -> None:
    """Run as many commands at the same time, each on its share of the pictures."""
    shares = [list(map(str, pictures[number::count])) for number in range(count)]
    lines = [command(share, out, "--workers", "1") for share in shares if share]
    running = [subprocess.Popen(line, cwd=ROOT, stderr=subprocess.DEVNULL) for line in lines]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit("a command failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
