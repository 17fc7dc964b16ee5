"""Many pictures, one after the other: refined or drawn, saved, and reported."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from realishuman.detect.base import GivenBox
from realishuman.errors import (
    BackboneError,
    PackError,
    PictureError,
    RealisHumanError,
    SettingsError,
)
from realishuman.files import whole_file
from realishuman.imaging.boxes import intersection
from realishuman.imaging.picture import check_target, load_picture, save_picture
from realishuman.look import as_packed, look
from realishuman.models import Models
from realishuman.outputs import Outputs, plan
from realishuman.pipeline import refine
from realishuman.places import try_folder
from realishuman.progress import Progress
from realishuman.result import Result
from realishuman.settings import Settings
from realishuman.sheet import before_after, contact_sheet

Say = Callable[[str], None]
Pairs = Sequence[tuple[Path, Path]]


def refine_files(
    pairs: Pairs,
    models: Models,
    settings: Settings,
    *,
    boxes: Sequence[GivenBox] = (),
    steps_folder: Path | None = None,
    compare: bool = False,
    report: Path | None = None,
    progress: Progress | None = None,
    say: Say,
) -> int:
    """Refine each picture and save it; one that fails, in whatever way, does not stop the others.

    compare  also save before and after side by side, beside the result.
    report   JSON file for what was done to each picture; also written when the run is stopped,
             about the pictures that were finished.
    Returns  how many failed.
    Raises   SettingsError if two outputs would be one file, PackError if no picture can be
             refined.
    """
    outputs = plan(pairs, compare=compare, steps_folder=steps_folder, report=report)
    if report is not None and report.is_dir():
        raise SettingsError(f"the report {report} is a folder; name a file in it.")
    for folder in (steps_folder, report and report.parent):
        if folder is not None:
            try_folder(folder)
    reports: list[dict[str, Any]] = []
    noted: set[str] = set()
    try:
        for one in outputs:
            source, target = one.source, one.target
            try:
                result = _refine_file(one, models, settings, boxes, progress)
            except (PackError, SettingsError):
                raise  # the next picture would fail in the same way
            except Exception as error:  # noqa: BLE001 - the other pictures are to be refined
                say(_about(source, error))
                reports.append({"input": str(source), **_failure(error)})
                continue
            for note in result.notes:
                if note not in noted:
                    noted.add(note)
                    say(note)
            say(f"{source} -> {target}: {result.message}")
            for line in _remarks(result, boxes):
                say(line)
            reports.append({"input": str(source), "output": str(target), **result.report()})
    finally:
        if report is not None:
            _write(report, (json.dumps(reports, indent=2) + "\n").encode())
    return sum("error" in one for one in reports)


def _refine_file(
    to: Outputs,
    models: Models,
    settings: Settings,
    boxes: Sequence[GivenBox],
    progress: Progress | None,
) -> Result:
    """One picture from file to file; a file of which nothing changes is copied as it is."""
    source, target, steps = to.source, to.target, to.steps
    loaded = load_picture(source)
    check_target(target, loaded)
    keep = steps is not None
    try:
        result = refine(
            loaded.rgb, models, settings, boxes=boxes, progress=progress, keep_steps=keep
        )
    except (MemoryError, RuntimeError) as error:
        if not _is_full_memory(error):
            raise
        raise BackboneError(
            f"the memory is too small ({str(error).splitlines()[0] if str(error) else 'full'}): "
            "try --max-batch 1, --precision bfloat16 or --device cpu."
        ) from error
    same_format = source.suffix.lower() == target.suffix.lower()
    if same_format and np.array_equal(result.image, loaded.rgb):
        _write(target, source)
    else:
        save_picture(target, result.image, loaded)
    if steps is not None:
        for name, pixels in result.steps.items():
            _save_png(steps / f"{name}.png", pixels)
    if to.comparison is not None:
        _save_png(to.comparison, before_after(loaded.rgb[..., :3], result.image[..., :3]))
    return result


def _is_full_memory(error: Exception) -> bool:
    """Whether memory ran out; on a CPU torch says so by a plain RuntimeError only."""
    known = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    return known or "DefaultCPUAllocator" in str(error)


def _remarks(result: Result, boxes: Sequence[GivenBox]) -> list[str]:
    """Lines on parts that were left alone, and on named places where none was found."""
    lines = [
        f"  {part.index} {part.side + ' ' if part.side else ''}{part.kind} kept: {part.reason}"
        for part in result.parts
        if part.reason
    ]
    for given in boxes:
        parts = [part.box for part in result.parts if part.kind == given.kind]
        if not any(intersection(part, given.box) > 0 for part in parts):
            box = given.box
            place = ",".join(f"{side:g}" for side in (box.x0, box.y0, box.x1, box.y1))
            lines.append(f"  no {given.kind} was found in the box {place}.")
    return lines


def _sentence(error: Exception) -> str:
    """What went wrong. Errors that are not ours have no sentence of their own."""
    if isinstance(error, RealisHumanError):
        return str(error)
    detail = next(iter(str(error).splitlines()), "")
    return f"unexpected {type(error).__name__}{': ' if detail else ''}{detail}"


def _failure(error: Exception) -> dict[str, Any]:
    """A failed picture's part of the report; an unexpected error is traced, to be mended."""
    if isinstance(error, RealisHumanError):
        return {"error": _sentence(error)}
    return {"error": _sentence(error), "traceback": traceback.format_exception(error)}


def _about(source: Path, error: Exception) -> str:
    """The error's sentence, led by the picture's name where it does not begin with it."""
    text = _sentence(error)
    return text if text.startswith(str(source)) else f"{source}: {text}"


def inspect_files(
    pairs: Pairs, models: Models, settings: Settings, boxes: Sequence[GivenBox], say: Say
) -> int:
    """Save a contact sheet per picture, as `models` would refine it; returns how many failed."""
    failed = 0
    for source, target in pairs:
        try:
            rgb = load_picture(source).rgb
            found = look(rgb, models, settings, boxes)
            parts = [part for part, _ in found.parts]
            chosen = [index for index, (_, why) in enumerate(found.parts, start=1) if not why]
            ready = []
            for kind in settings.parts:
                some = [index for index in chosen if parts[index - 1].kind == kind]
                ready += as_packed(rgb, parts, found.meshes, some, settings, models, kind)
            _save_png(target, contact_sheet(rgb, found.parts, ready))
        except (PackError, SettingsError):
            raise  # the next picture would fail in the same way
        except Exception as error:  # noqa: BLE001 - the other pictures are to be drawn
            failed += 1
            say(_about(source, error))
            continue
        say(f"{source} -> {target}: {len(parts)} parts found, {len(chosen)} would be refined.")
    return failed


def _save_png(path: Path, pixels: Any) -> None:
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise PictureError(f"{path} cannot be encoded as PNG")
    _write(path, encoded.tobytes())


def _write(path: Path, content: bytes | Path) -> None:
    """Write bytes, or a copy of a file, making the folder. PictureError if the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content.read_bytes() if isinstance(content, Path) else content
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}.") from error
