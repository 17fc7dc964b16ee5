"""Many pictures, one after the other: refined or drawn, saved, and reported."""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from realishuman.batch.outputs import Outputs
from realishuman.detect.base import GivenBox
from realishuman.drawing.sheet import before_after, contact_sheet
from realishuman.errors import (
    BackboneError,
    PackError,
    PictureError,
    RealisHumanError,
    SettingsError,
)
from realishuman.files.whole import whole_file
from realishuman.imaging.boxes import Box
from realishuman.imaging.drawn import make_drawn_png
from realishuman.imaging.modes import eight_bit
from realishuman.imaging.picture import check_target, holds_parameters, load_picture, save_picture
from realishuman.kinds import plural
from realishuman.parts.found import Found
from realishuman.parts.origin import origin_of
from realishuman.pipeline.infotext import add_run
from realishuman.pipeline.look import Pixels, describe_missed, look, prepare_parts
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.pipeline.result import Result
from realishuman.pipeline.run import NOT_CHOSEN
from realishuman.progress import Progress
from realishuman.settings import Settings

Pairs = Sequence[tuple[Path, Path]]


class Watch(Progress, Protocol):
    """Where a batch tells how far it is."""

    def picture(self, number: int, total: int) -> None:
        """Picture `number` of `total` starts, counted from 1."""

    def say(self, text: str) -> None:
        """A line for the user."""


def refine_files(
    outputs: Sequence[Outputs],
    models: Models,
    settings: Settings,
    *,
    boxes: Sequence[GivenBox] = (),
    only: Collection[int] | None = None,
    report: Path | None = None,
    skipped: Sequence[Outputs] = (),
    describe: bool = True,
    watch: Watch,
) -> int:
    """Refine each picture and save it; one that fails, in whatever way, does not stop the others.

    outputs  where everything about each picture goes, as outputs.plan names it.
    only     numbers of the parts that may be refined; None means all.
    report   JSON file for what was done to each picture; also written when the run is stopped,
             about the pictures that were finished.
    describe write into each refined picture what was done to it, as WebUIs do.
    skipped  pictures that the report names although nothing is done to them.
    Returns  how many failed, or lack a part that the user named.
    Raises   SettingsError or PackError if no picture can be refined.
    """
    reports: list[dict[str, Any]] = [
        {
            "input": str(one.source),
            "output": str(one.target),
            "skipped": "the result already exists",
        }
        for one in skipped
    ]
    noted: set[str] = set()
    say = watch.say
    try:
        for number, one in enumerate(outputs, start=1):
            watch.picture(number, len(outputs))
            source, target = one.source, one.target
            try:
                result, lost = _refine_file(one, models, settings, boxes, only, describe, watch)
            except (PackError, SettingsError):
                raise  # the next picture would fail in the same way
            except Exception as error:  # noqa: BLE001 - the other pictures are to be refined
                say(_about(source, error))
                reports.append({"input": str(source), **_failure(error)})
                continue
            say(f"{source} -> {target}: {result.message}")
            told = _remarks(result, noted, models.lacking.values())
            for line in (*told, *(f"  not kept: {what}." for what in lost)):
                say(line)
            about = {"input": str(source), "output": str(target), "lost": list(lost)}
            reports.append({**about, **result.report()})
    finally:
        if report is not None:
            write_report(report, reports)
    return sum("error" in one or bool(one.get("missed")) for one in reports)


def write_report(path: Path, reports: Sequence[Mapping[str, Any]]) -> None:
    """Write what was done to each input, as JSON. PictureError if the disk refuses."""
    _write(path, (json.dumps(reports, indent=2) + "\n").encode())


def _refine_file(
    to: Outputs,
    models: Models,
    settings: Settings,
    boxes: Sequence[GivenBox],
    only: Collection[int] | None,
    describe: bool,
    progress: Progress,
) -> tuple[Result, tuple[str, ...]]:
    """One picture from file to file; a file of which nothing changes is copied as it is.

    Returns also what of the file its refined picture does not hold, in words.
    """
    source, target, steps = to.source, to.target, to.steps
    loaded = load_picture(source)
    check_target(target, loaded)
    picture = loaded.rgb if loaded.deep is None else loaded.deep
    keep = steps is not None
    try:
        result = refine(
            picture,
            models,
            settings,
            boxes=boxes,
            only=only,
            progress=progress,
            keep_steps=keep,
            made=origin_of(loaded.metadata.parameters),
        )
    except (MemoryError, RuntimeError) as error:
        if not _is_full_memory(error):
            raise
        raise BackboneError(
            "there is not enough memory "
            f"({str(error).splitlines()[0] if str(error) else 'full'}): try --max-batch 1, "
            "--precision bfloat16 or --device cpu."
        ) from error
    _make_folder(target.parent)
    same_format = source.suffix.lower() == target.suffix.lower()
    lost: tuple[str, ...] = ()
    if same_format and np.array_equal(result.image, picture):
        _write(target, source)
    else:
        if describe and result.patches and holds_parameters(target):
            parameters = add_run(loaded.metadata.parameters, settings, result, models)
            loaded = loaded.with_parameters(parameters)
        lost = save_picture(target, result.image[..., :3], loaded)
    if steps is not None:
        for name, pixels in result.steps.items():
            _save_png(steps / f"{name}.png", pixels)
    if to.comparison is not None:
        shown = before_after(loaded.rgb, eight_bit(result.image[..., :3]), _list_repainted(result))
        _save_png(to.comparison, shown)
    return result, lost


def _list_repainted(result: Result) -> list[tuple[str, Box]]:
    """The parts that were refined, by number and name, with their crops."""
    return [
        (part.name, part.crop)
        for part in result.parts
        if part.outcome == "refined" and part.crop is not None
    ]


def _is_full_memory(error: Exception) -> bool:
    """Whether memory ran out; on a CPU torch says so by a plain RuntimeError only."""
    known = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    return known or "DefaultCPUAllocator" in str(error)


def _remarks(result: Result, noted: set[str], advice: Collection[str]) -> list[str]:
    """Lines on parts that were left alone, on what was named and is not there, and new notes.

    advice  reasons of which only the beginning is said again: how to get a pack.
    """
    lines = []
    for part in result.parts:
        if part.reason not in ("", NOT_CHOSEN):
            known = part.reason in noted and part.reason in advice
            why = part.reason.partition(": ")[0] + "." if known else part.reason
            lines.append(f"  {part.name} kept: {why}")
            noted.add(part.reason)
    lines += [f"  {line}" for line in result.missed]
    new = [note for note in result.notes if note not in noted and note not in result.missed]
    noted.update(new)
    return [*lines, *new]


def say_error(error: Exception) -> str:
    """What went wrong. Errors that are not ours have no sentence of their own."""
    if isinstance(error, RealisHumanError):
        return str(error)
    detail = next(iter(str(error).splitlines()), "")
    return f"unexpected {type(error).__name__}{': ' if detail else ''}{detail}"


def _failure(error: Exception) -> dict[str, Any]:
    """A failed picture's part of the report; an unexpected error is traced, to be mended."""
    if isinstance(error, RealisHumanError):
        return {"error": say_error(error)}
    return {"error": say_error(error), "traceback": traceback.format_exception(error)}


def _about(source: Path, error: Exception) -> str:
    """The error's sentence, led by the picture's name where it does not begin with it."""
    text = say_error(error)
    return text if text.startswith(str(source)) else f"{source}: {text}"


def inspect_files(
    pairs: Pairs, models: Models, settings: Settings, boxes: Sequence[GivenBox], watch: Watch
) -> int:
    """Save a contact sheet per picture, as `models` would refine it.

    Returns how many failed, or lack a part in a box.
    """
    failed = 0
    for number, (source, target) in enumerate(pairs, start=1):
        watch.picture(number, len(pairs))
        try:
            rgb = load_picture(source).rgb
            found = look(rgb, models, settings, boxes, watch)
            ready = prepare_parts(rgb, found, found.chosen, settings, models)
            _save_png(target, contact_sheet(rgb, found.parts, ready))
        except (PackError, SettingsError):
            raise  # the next picture would fail in the same way
        except Exception as error:  # noqa: BLE001 - the other pictures are to be drawn
            failed += 1
            watch.say(_about(source, error))
            continue
        watch.say(f"{source} -> {target}: {_count(found, models, settings)}")
        for one in found.parts:
            if one.gate and one.reason == one.gate:
                watch.say(f"  {one.number} {one.part.name} left alone: {one.gate}")
        lacking = describe_missed([one.part for one in found.parts], boxes)
        failed += bool(lacking)
        for line in lacking:
            watch.say(f"  {line}")
    return failed


def _count(found: Found, models: Models, settings: Settings) -> str:
    """How many parts were found, and how many `refine` would repaint with these models."""
    kinds = [one.part.kind for one in found.chosen]
    without = Counter(kind for kind in kinds if not models.engine_for(kind, settings))
    refined, count = len(kinds) - without.total(), len(found.parts)
    lacking = [f"{many} {plural(kind) if many > 1 else kind}" for kind, many in without.items()]
    return f"{count} part{'s' * (count != 1)} found, {refined} would be refined" + (
        f"; nothing repaints {' and '.join(lacking)}." if lacking else "."
    )


def _save_png(path: Path, pixels: Pixels) -> None:
    _write(path, make_drawn_png(pixels))


def _write(path: Path, content: bytes | Path) -> None:
    """Write bytes, or a copy of a file, making the folder. PictureError if the disk refuses."""
    _make_folder(path.parent)
    try:
        content = content.read_bytes() if isinstance(content, Path) else content
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}.") from error


def _make_folder(folder: Path) -> None:
    """Make a folder of outputs. PictureError if the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{folder} cannot be made: {error.strerror or error}.") from error
