"""What runs on the workers of a cluster: an actor that opens the networks once."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import torch

from realishuman.batch.job import Job
from realishuman.batch.journal import Entry
from realishuman.batch.outputs import Outputs
from realishuman.batch.picture import refine_file
from realishuman.distributed.address import Member, is_address
from realishuman.distributed.stored import place_of, refine_stored
from realishuman.errors import ModelError, PackError, RealisHumanError, SettingsError
from realishuman.pipeline.models import Models
from realishuman.progress import Silent

Row = dict[str, Any]
FATAL = {one.__name__: one for one in (SettingsError, PackError, ModelError)}


class Refiner:
    """Refines the pictures of rows, with networks that are opened once.

    cores  that it may use.
    """

    def __init__(self, job: Job, cores: int) -> None:
        torch.set_num_threads(cores)
        cv2.setNumThreads(cores)
        self._job = job
        self._opened = ExitStack()
        self._fault: RealisHumanError | None = None
        try:
            self._models = self._opened.enter_context(job.open())
        except RealisHumanError as error:  # Ray would try again for ever
            self._fault = error

    def __call__(self, row: Row) -> Row:
        """A row of make_row -> one for read_row."""
        if self._fault is not None:
            return _give_up(row, self._fault)
        try:
            entry = _refine(_outputs(row), self._models, self._job)
        except (PackError, SettingsError) as error:
            return _give_up(row, error)
        return {"place": row["place"], "entry": json.dumps(entry), "fatal": ""}


def make_row(place: int, one: Outputs) -> Row:
    """What an actor must know of a picture, wherever it runs."""
    paths = {
        "source": one.source,
        "target": one.target,
        "comparison": one.comparison,
        "steps": one.steps,
    }
    member = {
        name: getattr(one.source, name, usual)
        for name, usual in (("tar", ""), ("begin", 0), ("size", 0))
    }
    return {"place": place, **member} | {
        name: "" if path is None else str(path.absolute()) for name, path in paths.items()
    }


def read_row(row: Row) -> tuple[int, Entry]:
    """The place of a picture and its entry. Raises what ended the whole run."""
    if row["fatal"]:
        raise FATAL.get(row["fatal"], RealisHumanError)(row["entry"])
    return int(row["place"]), json.loads(row["entry"])


def _give_up(row: Row, error: RealisHumanError) -> Row:
    return {"place": row["place"], "entry": str(error), "fatal": type(error).__name__}


def _outputs(row: Row) -> Outputs:
    comparison, steps = (Path(row[name]) if row[name] else None for name in ("comparison", "steps"))
    source = place_of(row["source"])
    if row["tar"]:
        source = Member.of(row["source"], row["tar"], int(row["begin"]), int(row["size"]))
    return Outputs(source, place_of(row["target"]), comparison, steps)


def _refine(to: Outputs, models: Models, job: Job) -> Entry:
    if is_address(to.source) or is_address(to.target):
        return refine_stored(to, models, job)
    return refine_file(to, models, job, Silent())
