"""One picture from file to file: refined, saved, and reported as plain data."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np

from realishuman.batch.job import Job
from realishuman.batch.journal import Entry
from realishuman.batch.outputs import Outputs
from realishuman.drawing.sheet import before_after
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
from realishuman.imaging.loaded import LoadedPicture
from realishuman.imaging.modes import eight_bit
from realishuman.imaging.picture import check_target, holds_parameters, load_picture, save_picture
from realishuman.memory import is_full
from realishuman.parts.origin import origin_of
from realishuman.pipeline.infotext import add_run
from realishuman.pipeline.look import Pixels
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.pipeline.result import Result
from realishuman.progress import Progress


def refine_file(to: Outputs, models: Models, job: Job, progress: Progress) -> Entry:
    """Refine one picture and save it; its entry in the report says what was done, or what failed.

    Raises SettingsError or PackError if no other picture could be refined either.
    """
    try:
        result, lost = _refine_file(to, models, job, progress)
    except (PackError, SettingsError):
        raise
    except Exception as error:  # noqa: BLE001 - the other pictures are to be refined
        return _failure(error)
    return {"lost": list(lost), **result.report()}


def _refine_file(
    to: Outputs, models: Models, job: Job, progress: Progress
) -> tuple[Result, tuple[str, ...]]:
    """The result, and what of the file its refined picture does not hold, in words."""
    loaded = load_picture(to.source)
    check_target(to.target, loaded)
    result = _refine(loaded, to, models, job, progress)
    make_folder(to.target.parent)
    try:  # the result last, so that where it is, all is
        _save_beside(to, loaded, result)
    except Exception:
        _save_result(to, loaded, result, models, job)  # it is what matters
        raise
    return result, _save_result(to, loaded, result, models, job)


def _refine(
    loaded: LoadedPicture, to: Outputs, models: Models, job: Job, progress: Progress
) -> Result:
    try:
        return refine(
            loaded.rgb if loaded.deep is None else loaded.deep,
            models,
            job.settings,
            boxes=job.boxes,
            only=job.only,
            progress=progress,
            keep_steps=to.steps is not None,
            made=origin_of(loaded.metadata.parameters),
        )
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        raise BackboneError(
            "there is not enough memory "
            f"({str(error).splitlines()[0] if str(error) else 'full'}): try --max-batch 1, "
            "--precision bfloat16 or --device cpu."
        ) from error


def _save_beside(to: Outputs, loaded: LoadedPicture, result: Result) -> None:
    """Save the intermediate pictures and the comparison, where they are asked for."""
    if to.steps is not None:
        for name, pixels in result.steps.items():
            save_png(to.steps / f"{name}.png", pixels)
    if to.comparison is not None:
        shown = before_after(loaded.rgb, eight_bit(result.image[..., :3]), _list_repainted(result))
        save_png(to.comparison, shown)


def _save_result(
    to: Outputs, loaded: LoadedPicture, result: Result, models: Models, job: Job
) -> tuple[str, ...]:
    """Save the picture; a file of which nothing changes is copied as it is."""
    picture = loaded.rgb if loaded.deep is None else loaded.deep
    same_format = to.source.suffix.lower() == to.target.suffix.lower()
    if same_format and np.array_equal(result.image, picture):
        _write(to.target, to.source)
        return ()
    if job.describe and result.patches and holds_parameters(to.target):
        parameters = add_run(loaded.metadata.parameters, job.settings, result, models)
        loaded = loaded.with_parameters(parameters)
    return save_picture(to.target, result.image[..., :3], loaded)


def _list_repainted(result: Result) -> list[tuple[str, Box]]:
    """The parts that were refined, by number and name, with their crops."""
    return [
        (part.name, part.crop)
        for part in result.parts
        if part.outcome == "refined" and part.crop is not None
    ]


def say_error(error: Exception) -> str:
    """What went wrong. Errors that are not ours have no sentence of their own."""
    if isinstance(error, RealisHumanError):
        return str(error)
    detail = next(iter(str(error).splitlines()), "")
    return f"unexpected {type(error).__name__}{': ' if detail else ''}{detail}"


def _failure(error: Exception) -> Entry:
    """A failed picture's part of the report; an unexpected error is traced, to be mended."""
    if isinstance(error, RealisHumanError):
        return {"error": say_error(error)}
    return {"error": say_error(error), "traceback": traceback.format_exception(error)}


def save_png(path: Path, pixels: Pixels) -> None:
    """Write a picture that we drew. PictureError if the disk refuses."""
    _write(path, make_drawn_png(pixels))


def _write(path: Path, content: bytes | Path) -> None:
    """Write bytes, or a copy of a file, making the folder. PictureError if the disk refuses."""
    make_folder(path.parent)
    try:
        content = content.read_bytes() if isinstance(content, Path) else content
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}.") from error


def make_folder(folder: Path) -> None:
    """Make a folder of outputs. PictureError if the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{folder} cannot be made: {error.strerror or error}.") from error
