"""Turns a folder of pictures into files of crops, by several processes; what is done is kept.

Beside the crops lies a manifest, pictures.jsonl: a line of JSON for each picture says which crops
it gave, or why it gave none. A line is written after the crops it speaks of, so whatever ends a
run costs only the crops that were not yet in a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from realishuman.errors import SettingsError, TrainingError
from realishuman.files.guard import locked, room
from realishuman.files.whole import whole_file
from realishuman.imaging.formats import readable
from realishuman.settings import Settings
from realishuman.train.config import TrainConfig
from realishuman.train.real import Job, Outcome, crops_of
from realishuman.train.shards import PER_SHARD, claim, count_rows, deaf_children, one_thread

MANIFEST = "pictures.jsonl"
SHARDS = "crops-pictures-{:08d}.npy"  # numbered by the first crop in it
ANY_SHARD = "crops-pictures-*.npy"
AT_ONCE = 4  # pictures a process is handed together

Say = Callable[[str], None]


@dataclass(frozen=True)
class Collected:
    """What a folder gave, earlier runs included.

    bad  pictures that could not be used at all.
    """

    pictures: int
    crops: int
    bad: int


def collect(
    pictures: Path,
    config: TrainConfig,
    workers: int,
    *,
    seed: int = 0,
    confidence: float = 0.5,
    min_size: int | None = None,
    say: Say = lambda _: None,
) -> Collected:
    """Cut the parts of all pictures below a folder into config.data.folder.

    seed        of everything random; with a picture's name in its folder it decides its crops.
    min_size    in pixels, of parts worth learning from; a quarter of the resolution if not given.
    say         gets a line per picture without crops, with the reason.
    Raises      SettingsError if there is no picture or the crops' folder cannot be used,
                TrainingError if the disk is full or a process was killed.
    """
    folder = Path(config.data.folder)
    found = find_pictures(pictures, (folder, Path(config.output)), say)
    claim(folder, config)
    least = config.pack.resolution // 4 if min_size is None else min_size
    settings = Settings(confidence=confidence, min_size=least, gate=False)  # good ones teach
    with locked(folder, "making crops"):
        manifest = _Manifest(folder, seed)
        new = [path for path in found if not manifest.knows(path)]
        say(f"{len(found)} pictures, {len(found) - len(new)} of them done before")
        jobs = [
            Job(path, path.relative_to(pictures).as_posix(), seed, config, settings) for path in new
        ]
        try:
            with _outcomes(jobs, workers) as outcomes:
                for done, outcome in enumerate(outcomes, start=1):
                    manifest.add(outcome)
                    _say_outcome(outcome, say)
                    if done % 100 == 0:
                        say(f"{done} of {len(jobs)} pictures, {manifest.crops} crops")
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process was killed, perhaps because the memory was full: start the same command "
                "again with fewer --workers; it goes on."
            ) from error
        finally:
            manifest.flush()
    return manifest.totals(found)


def find_pictures(folder: Path, without: Iterable[Path], say: Say) -> list[Path]:
    """All pictures below a folder, sorted, except those in folders of our own."""
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder: name one with pictures in it")
    ours = [path.resolve() for path in without]
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(own in path.resolve().parents for own in ours)
    ]
    found = [path for path in files if path.suffix.lower() in readable()]
    if not found:
        raise SettingsError(
            f"{folder} holds no picture ({', '.join(sorted(readable()))}), also not in its folders"
        )
    if others := sorted({path.suffix.lower() or path.name for path in files} - set(readable())):
        say(f"{len(files) - len(found)} other files are passed over: {', '.join(others[:10])}")
    return found


@contextmanager
def _outcomes(jobs: list[Job], workers: int) -> Iterator[Iterable[Outcome]]:
    """Outcomes in the order of the jobs; on the way out, jobs not begun are dropped."""
    if workers == 1 or len(jobs) <= AT_ONCE:
        yield map(crops_of, jobs)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), one_thread)
    try:
        with deaf_children():
            outcomes = pool.map(crops_of, jobs, chunksize=AT_ONCE)
        yield outcomes
    finally:
        pool.shutdown(cancel_futures=True)


def _say_outcome(outcome: Outcome, say: Say) -> None:
    if outcome.error:
        text = outcome.error
        say(text if text.startswith(str(outcome.path)) else f"{outcome.path}: {text}")
    elif not outcome.crops:
        say(f"{outcome.path}: {'; '.join(outcome.left)}")


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the manifest of a folder of crops; none if it has no manifest."""
    path, lines = folder / MANIFEST, []
    if path.exists():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue  # cut off
    return lines


class _Manifest:
    """The file of lines, and outcomes that wait until there are enough crops for a file."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._path = folder / MANIFEST
        self._lines = {line["file"]: line for line in self._whole_lines()}
        others = {line["seed"] for line in self._lines.values()} - {seed}
        if others:
            raise SettingsError(
                f"the crops in {folder} were made with --seed {min(others)}, not {seed}: use that, "
                "or another data.folder"
            )
        self._waiting: list[Outcome] = []
        self.crops = sum(len(line["crops"]) for line in self._lines.values())
        self._drop_orphans()

    def knows(self, path: Path) -> bool:
        """Whether this picture, as it is now, has been dealt with."""
        line = self._lines.get(str(path.resolve()))
        return line is not None and line["bytes"] == path.stat().st_size

    def add(self, outcome: Outcome) -> None:
        """Take in an outcome; a file is written when there are enough crops for one."""
        self._waiting.append(outcome)
        self.crops += len(outcome.crops)
        if sum(len(one.crops) for one in self._waiting) >= PER_SHARD:
            self.flush()

    def flush(self) -> None:
        """Write the crops that wait, then their lines."""
        waiting, self._waiting = self._waiting, []
        rows = [row for outcome in waiting for row in outcome.crops]
        shard = SHARDS.format(self._next())
        with room(self._folder):
            if rows:
                with whole_file(self._folder / shard) as file:
                    np.save(file, np.stack(rows))
            place, lines = 0, []
            for outcome in waiting:
                lines.append(self._line(outcome, shard, place))
                place += len(outcome.crops)
            with self._path.open("a", encoding="utf-8") as text:
                text.writelines(json.dumps(line) + "\n" for line in lines)
                text.flush()
                os.fsync(text.fileno())
        self._lines |= {line["file"]: line for line in lines}

    def totals(self, found: list[Path]) -> Collected:
        """Of these pictures."""
        lines = [self._lines[str(path.resolve())] for path in found]
        crops = sum(len(line["crops"]) for line in lines)
        return Collected(len(lines), crops, sum(bool(line["error"]) for line in lines))

    def _line(self, outcome: Outcome, shard: str, place: int) -> dict[str, Any]:
        path = outcome.path
        return {
            "file": str(path.resolve()),
            "bytes": path.stat().st_size if path.exists() else 0,
            "seed": self._seed,
            "crops": [
                {"shard": shard, "place": place + i} | part for i, part in enumerate(outcome.parts)
            ],
            "left": outcome.left,
            "error": outcome.error,
        }

    def _next(self) -> int:
        """The number of the next file: how many crops are in those before it."""
        last = max(self._folder.glob(ANY_SHARD), default=None)
        return 0 if last is None else int(last.stem[-8:]) + count_rows(last)

    def _whole_lines(self) -> list[dict[str, Any]]:
        """The lines that are whole; a last one that was cut off is taken away."""
        lines = read_manifest(self._folder)
        if self._path.exists():
            with room(self._folder), whole_file(self._path) as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        return lines

    def _drop_orphans(self) -> None:
        """Remove crops that were written without their lines; their pictures come again."""
        known = {crop["shard"] for line in self._lines.values() for crop in line["crops"]}
        for path in self._folder.glob(ANY_SHARD):
            if path.name not in known:
                path.unlink()
