"""Kill a run of a folder at random moments, start it again each time, and compare in the end.

    python -m benchmarks.kills [PICTURES [KILLS [WORKERS]]]

Prints what was killed when, how long each start ran, and how the memory of the first process grew.
Fails unless results and report are those of an undisturbed run, no picture that was done is done
again, and no temporary file stays.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from realishuman.files.whole import OURS

ROOT = Path(__file__).resolve().parents[1]
HAND = ROOT / "examples/malformed-hand.png"
EVERY = 40  # of so many pictures one shows a hand that is repainted


def main(pictures: int = 300, kills: int = 10, workers: int = 2, seed: int = 0) -> None:
    """Make the pictures, refine them undisturbed and disturbed, and compare."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_pictures(place / "in", pictures)
        start = time.perf_counter()
        process = begin(place, "whole", workers)
        grown = watch_memory(process, place / "whole", pictures)
        if process.wait():
            raise SystemExit(f"the undisturbed run failed: {process.returncode}")
        took = time.perf_counter() - start
        print(f"undisturbed: {pictures} pictures in {took:.1f} s; peak memory, MB: {grown}")
        disturb(place, pictures, kills, workers, chance)
        compare(place, pictures)
    print("results and report equal those of the undisturbed run; nothing was done twice or left")


def make_pictures(folder: Path, count: int, every: int = EVERY) -> None:
    """Small pictures in two folders: plain ones, and one of so many with a hand to repaint."""
    rng = np.random.default_rng(0)
    hand = Image.open(HAND).convert("RGB").resize((256, 256))
    for number in range(count):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        side = int(rng.integers(48, 97))
        pixels = np.full((side, side, 3), rng.integers(0, 255, 3), np.uint8)
        shown = hand if number % every == 0 else Image.fromarray(pixels)
        shown.save(place / f"{number:05}.png")


def begin(place: Path, name: str, workers: int) -> subprocess.Popen[bytes]:
    """Start refining `in` into a folder, in a session of its own."""
    with (place / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "realishuman", "refine", str(place / "in")),
                *("-o", str(place / name), "--json", str(place / f"{name}.json")),
                *("--compare", "--quiet", "--workers", str(workers)),
            ],
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )


def watch_memory(process: subprocess.Popen[bytes], folder: Path, pictures: int) -> dict[str, int]:
    """Peak memory of process and workers together when a third, two and all are done, in MB."""
    peaks: dict[str, int] = {}
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(resident, family(process.pid))))
        done = len(journalled(folder))
        for share in (1, 2, 3):
            if done >= pictures * share // 3:
                peaks.setdefault(f"{share}/3", peak)
        time.sleep(0.2)
    return peaks | {"end": peak}


def family(pid: int) -> list[int]:
    """A process and its children, on Linux."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return [pid]
    return [pid, *map(int, text.split())]


def resident(pid: int) -> int:
    """Memory of a process in MB; 0 where the system does not say or it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def disturb(place: Path, pictures: int, kills: int, workers: int, chance: random.Random) -> None:
    """Refine into `often`, killing the run so often, each time after a random number of pictures.

    Every other time only the first process is killed, so that its workers must end by themselves.
    """
    for number in range(kills):
        before = journalled(place / "often")
        start, told = time.perf_counter(), lines(place / "often.log")
        process = begin(place, "often", workers)
        more = chance.randint(1, max(1, (pictures - len(before)) // (kills - number + 1)))
        while process.poll() is None and len(journalled(place / "often")) < len(before) + more:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.3)
        if process.poll() is not None:
            raise SystemExit("the run ended before it could be killed: take more pictures")
        if number % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        check_once(place, before, told)
        done, took = len(journalled(place / "often")), time.perf_counter() - start
        print(f"kill {number + 1}: after {took:.1f} s, with {done} pictures done")
    before, told = journalled(place / "often"), lines(place / "often.log")
    process = begin(place, "often", workers)
    if process.wait():
        raise SystemExit(f"the last run failed: {process.returncode}")
    check_once(place, before, told)


def check_once(place: Path, before: set[str], told: list[str]) -> None:
    """Fail if a start told of a picture that was journalled before it."""
    new = lines(place / "often.log")[len(told) :]
    again = {line.partition(" -> ")[2].partition(": ")[0] for line in new} & before
    if again:
        raise SystemExit(f"done twice: {sorted(again)}")


def lines(path: Path) -> list[str]:
    """Of a log that is there or not."""
    return path.read_text().splitlines() if path.exists() else []


def journalled(folder: Path) -> set[str]:
    """The results that the journal in a folder knows."""
    found = set()
    for path in folder.glob(f"{OURS}*.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            found.add(str(json.loads(line)["result"]))
    return found


def compare(place: Path, pictures: int) -> None:
    """Fail unless both runs left the same files and the same report, and nothing else."""
    whole, often = content(place / "whole"), content(place / "often")
    if len(whole) != 2 * pictures or whole != often:
        odd = sorted(name for name in whole | often if whole.get(name) != often.get(name))
        raise SystemExit(f"{len(whole)} and {len(often)} files, different: {odd[:5]}")
    if entries(place / "whole.json") != entries(place / "often.json"):
        raise SystemExit("the reports differ")


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }


def entries(path: Path) -> list[dict[str, Any]]:
    """A report's, without times and the folder's name."""
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return [{**one, "seconds": 0, "output": Path(one["output"]).name} for one in found]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
