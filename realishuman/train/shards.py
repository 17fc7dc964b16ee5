"""Crops on disk: files of 256 crops each, made by several processes, memory-mapped when read."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch

from realishuman.advice import command
from realishuman.batch.places import try_folder
from realishuman.errors import SettingsError
from realishuman.files.guard import enough, locked, room
from realishuman.files.whole import whole_file
from realishuman.train.config import TrainConfig
from realishuman.train.crops import (
    CHANNELS,
    Pixels,
    TrainingCrop,
    pack_crop,
    synthetic_crop,
    unpack_crop,
)

PER_SHARD = 256
DESCRIPTION = "crops.json"


class Crops:
    """The crops of a folder, rendered ones first: the index of these is their seed.

    rendered  how many these are.
    Raises SettingsError if there are none, or they were made with another configuration.
    """

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        check_description(folder, config)
        self.shards = sorted(folder.glob("crops-*.npy"))
        if not self.shards:
            raise SettingsError(
                f"{folder} holds no crops: make some with "
                f"`{command('train', 'synthesise', '--config', 'FILE', '--count', 'N')}`, or "
                f"`{command('train', 'prepare', 'FOLDER', '--config', 'FILE')}`."
            )
        if damaged := [path for path in self.shards if not count_rows(path)]:
            raise SettingsError(
                f"{damaged[0]} is damaged or cut off: delete it and make the crops again; what is "
                "whole is kept."
            )
        self._arrays = [np.load(path, mmap_mode="r") for path in self.shards]
        self._ends = np.cumsum([len(array) for array in self._arrays])
        self.rendered = sum(
            len(array)
            for path, array in zip(self.shards, self._arrays, strict=True)
            if path.stem.removeprefix("crops-").isdigit()
        )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def index_of(self, shard: str, place: int) -> int:
        """The index of a row of one of the files; KeyError if there is no such file."""
        for path, array, end in zip(self.shards, self._arrays, self._ends, strict=True):
            if path.name == shard:
                return int(end) - len(array) + place
        raise KeyError(shard)

    def __getitem__(self, index: int) -> TrainingCrop:
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[shard]) - len(self._arrays[shard])
        return unpack_crop(np.asarray(self._arrays[shard][index - first]))


def synthesise(
    config: TrainConfig, count: int, workers: int, say: Callable[[str], None] = lambda _: None
) -> int:
    """Make the crops of seeds 0 to count - 1 that are not there yet; whole shards only.

    Returns how many shards were made. What is there after an interruption is kept.
    Raises  SettingsError if the folder holds crops of another configuration or has no room.
    """
    folder = Path(config.data.folder)
    claim(folder, config)
    with locked(folder, "making crops"):
        whole = _find_finished(folder, count)
        missing = count - sum(whole.values())
        needed = missing * config.pack.resolution**2 * CHANNELS
        # before any list is made, which for a mistyped count would be as long as the count
        advice = "free some space, make fewer, or choose another folder"
        enough(folder, needed, f"{count} crops", advice)
        starts = (start for start in range(0, count, PER_SHARD) if start not in whole)
        jobs = [(config, start, min(PER_SHARD, count - start)) for start in starts]
        with room(folder):
            _make_all(jobs, workers, say)
    return len(jobs)


def _make_all(
    jobs: list[tuple[TrainConfig, int, int]], workers: int, say: Callable[[str], None]
) -> None:
    if workers == 1:
        for done, job in enumerate(jobs, start=1):
            _make_shard(job)
            say(f"{done} of {len(jobs)} shards")
    elif jobs:
        with deaf_children():
            started = multiprocessing.get_context("spawn").Pool(workers, one_thread)
        with started as pool:
            for done, _ in enumerate(pool.imap_unordered(_make_shard, jobs), start=1):
                say(f"{done} of {len(jobs)} shards")


def claim(folder: Path, config: TrainConfig) -> None:
    """Make the folder this configuration's, or raise SettingsError if it is another's."""
    try_folder(folder)
    if (folder / DESCRIPTION).exists():
        check_description(folder, config)
    else:
        with room(folder), whole_file(folder / DESCRIPTION) as file:
            file.write(json.dumps(description(config), indent=1).encode())


def description(config: TrainConfig) -> dict[str, object]:
    """What the crops depend on besides their seeds."""
    data = asdict(config.data)
    for name in ("folder", "variants", "held_out"):
        del data[name]
    pack = config.pack
    return json.loads(  # type: ignore[no-any-return]  # lists instead of tuples, as in the file
        json.dumps(
            data
            | {"kind": pack.kind, "pose": pack.pose, "preset": pack.preset}
            | {"resolution": pack.resolution, "erode": pack.erode}
        )
    )


def check_description(folder: Path, config: TrainConfig) -> None:
    """Raise SettingsError unless the crops in the folder were made with this configuration."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise SettingsError(
            f"{folder} has no {DESCRIPTION}, so it holds no crops: make some with "
            f"`{command('train', 'synthesise')}` or `{command('train', 'prepare')}`."
        )
    try:
        found, expected = json.loads(path.read_text(encoding="utf-8")), description(config)
    except ValueError as error:
        raise SettingsError(
            f"{path} is damaged ({error}): delete it to have it written anew, if the crops beside "
            "it were made with this configuration."
        ) from error
    if wrong := [k for k in sorted({*found, *expected}) if found.get(k) != expected.get(k)]:
        parts = [f"{k} {found.get(k)!r} instead of {expected.get(k)!r}" for k in wrong]
        raise SettingsError(
            f"the crops in {folder} were made with {', '.join(parts)}: change the configuration or "
            "choose another data.folder."
        )


def count_rows(path: Path) -> int:
    """How many rows a file of crops or latents has; 0 if it is missing or damaged."""
    try:
        return len(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        return 0


def _shard(folder: Path, start: int) -> Path:
    return folder / f"crops-{start:08d}.npy"


def _find_finished(folder: Path, count: int) -> dict[int, int]:
    """First crops of the files that are whole, for `count` crops in all: how many they count for.

    Looks at the files there are, not at all that there could be.
    """
    found = {}
    for path in folder.glob("crops-*.npy"):
        number = path.stem.removeprefix("crops-")
        if not number.isdigit() or int(number) % PER_SHARD or int(number) >= count:
            continue  # of pictures, or beyond
        start = int(number)
        wanted = min(PER_SHARD, count - start)
        if path == _shard(folder, start) and count_rows(path) >= wanted:
            found[start] = wanted
    return found


def _make_shard(job: tuple[TrainConfig, int, int]) -> None:
    config, start, count = job
    crops: list[Pixels] = [
        pack_crop(synthetic_crop(seed, config)) for seed in range(start, start + count)
    ]
    with whole_file(_shard(Path(config.data.folder), start)) as file:
        np.save(file, np.stack(crops))


def one_thread() -> None:
    """In a worker: processes share the cores, so threads would only get in each other's way."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C, which reaches all; it is the main one's."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
