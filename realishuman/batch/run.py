"""Many pictures: refined in some way, told as they come, journalled, and reported."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from realishuman.batch.job import Job
from realishuman.batch.journal import Entry, Journal, in_order
from realishuman.batch.outputs import Outputs
from realishuman.batch.picture import refine_file
from realishuman.errors import PictureError
from realishuman.files.whole import remove_leftovers, whole_file
from realishuman.pipeline.models import Models
from realishuman.pipeline.run import NOT_CHOSEN
from realishuman.progress import Progress


class Watch(Progress, Protocol):
    """Where a batch tells how far it is."""

    def picture(self, number: int, total: int) -> None:
        """Picture `number` of `total` starts, or is done where several are at work; from 1."""

    def say(self, text: str) -> None:
        """A line for the user."""


# Refines pictures, in whatever order; yields the place of each and its entry, as refine_file gives
# it, and calls Watch.picture before.
Way = Callable[[Sequence[Outputs], Watch], Iterator[tuple[int, Entry]]]


def one_by_one(models: Models, job: Job) -> Way:
    """The way to refine one picture after the other, in this process."""

    def refine_each(outputs: Sequence[Outputs], watch: Watch) -> Iterator[tuple[int, Entry]]:
        for place, one in enumerate(outputs):
            watch.picture(place + 1, len(outputs))
            yield place, refine_file(one, models, job, watch)

    return refine_each


def refine_files(
    outputs: Sequence[Outputs],
    way: Way,
    journal: Journal,
    *,
    skipped: Collection[Outputs] = (),
    report: Path | None = None,
    advice: Collection[str] = (),
    watch: Watch,
) -> int:
    """Refine each picture and save it; one that fails, in whatever way, does not stop the others.

    outputs  where everything about each picture goes, as outputs.plan names it.
    journal  knows which are done already, and learns of the others.
    skipped  pictures that the report names although nothing is done to them.
    report   JSON file for what was done to each picture; also written when the run is stopped,
             about the pictures that were finished.
    advice   reasons of which only the beginning is said again: how to get a pack.
    Returns  how many failed, or lack a part that the user named.
    Raises   SettingsError or PackError if no picture can be refined.
    """
    todo = [one for one in outputs if one not in skipped and not journal.has(one)]
    before = len(outputs) - len(skipped) - len(todo)
    if before:
        watch.say(
            f"{before} of {len(outputs)} pictures were done when this command was stopped, and are "
            f"not done again. To begin anew, delete {journal.path}."
        )
    noted: set[str] = set()
    _clean(outputs, report)
    try:
        for place, entry in way(todo, watch) if todo else ():
            for line in _told(todo[place], entry, noted, advice):
                watch.say(line)
            journal.add(todo[place], entry)
        journal.finish()
    finally:
        _clean(outputs, report)
        if report is not None:
            write_report(report, in_order(journal, outputs, skipped))
    return journal.failures


def _folders(one: Outputs) -> Iterator[Path]:
    """The folders in which files about a picture are written."""
    yield one.target.parent
    if one.steps is not None:
        yield from (Path(folder) for folder, _, _ in os.walk(one.steps))


def _clean(outputs: Sequence[Outputs], report: Path | None) -> None:
    """Remove what killed processes left half written."""
    folders = {folder for one in outputs for folder in _folders(one)}
    for folder in folders | ({report.parent} if report else set()):
        remove_leftovers(folder)


def _told(one: Outputs, entry: Entry, noted: set[str], advice: Collection[str]) -> Iterator[str]:
    """What the user is told about a picture."""
    if "error" in entry:
        yield about(one.source, entry["error"])
        return
    yield f"{one.source} -> {one.target}: {entry['message']}"
    yield from _remarks(entry, noted, advice)
    yield from (f"  not kept: {what}." for what in entry["lost"])


def about(source: Path, sentence: str) -> str:
    """The sentence, led by the picture's name where it does not begin with it."""
    return sentence if sentence.startswith(str(source)) else f"{source}: {sentence}"


def _remarks(entry: Entry, noted: set[str], advice: Collection[str]) -> list[str]:
    """Lines on parts that were left alone, on what was named and is not there, and new notes."""
    lines = []
    for part in entry["parts"]:
        reason = part["reason"]
        if reason not in ("", NOT_CHOSEN):
            known = reason in noted and reason in advice
            why = reason.partition(": ")[0] + "." if known else reason
            name = " ".join(str(part[key]) for key in ("index", "side", "kind") if part[key])
            lines.append(f"  {name} kept: {why}")
            noted.add(reason)
    lines += [f"  {line}" for line in entry["missed"]]
    new = [note for note in entry["notes"] if note not in noted and note not in entry["missed"]]
    noted.update(new)
    return [*lines, *new]


def write_report(path: Path, entries: Iterable[Entry]) -> None:
    """Write what was done to each input as a JSON list, piece by piece: there may be very many.

    Raises PictureError if the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            mark = "["
            for entry in entries:
                file.write(f"{mark}\n{textwrap.indent(json.dumps(entry, indent=2), '  ')}".encode())
                mark = ","
            file.write(b"[]\n" if mark == "[" else b"\n]\n")
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}.") from error
