"""Intermediate pictures saved beside the one the host saves, under its name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from realishuman.files.whole import fitting_name, whole_file
from realishuman.imaging.formats import HOLDS
from realishuman.imaging.handed import pixels_of
from realishuman.packs.store import DEMO, RANDOM
from realishuman.webui.foreign import SavedImage
from realishuman.webui.generation.job import JOB
from realishuman.webui.options import SAVE, option

if TYPE_CHECKING:
    from realishuman.pipeline.result import Result

FOLDER = "realishuman"
log = logging.getLogger("realishuman")
BEFORE = "before"
STEPS = {  # what the user may choose -> the name of the step in Result.steps
    "crop": "1-crop",
    "pose": "2-pose",
    "ring": "3-ring",
    "stage one": "4-stage-one",
    "stage two": "5-stage-two",
    "own skin": "4-own-skin",
}


def list_wanted() -> Collection[str]:
    """What the user chose to have saved."""
    return list(option(SAVE) or ())


def needs_steps(names: Collection[str]) -> bool:
    """Whether the pipeline must keep its steps for this."""
    return any(name in STEPS for name in names)


def also_before(names: Collection[str], result: Result) -> Collection[str]:
    """What to save of this result: the picture as it was, too, where the weights may spoil it."""
    return {BEFORE, *names} if {DEMO, RANDOM} & set(result.weights.values()) else names


def pictures(before: Image.Image, result: Result, names: Collection[str]) -> dict[str, Image.Image]:
    """The pictures to save, by what is added to the file's name."""
    found: dict[str, Image.Image] = {}
    if BEFORE in names:
        is_png = before.mode in HOLDS["PNG"]
        found[BEFORE] = before if is_png else Image.fromarray(pixels_of(before))
    ends = {STEPS[name] for name in names if name in STEPS}
    for step, pixels in result.steps.items():
        if step.split("/")[1] in ends:
            found[step.replace("/", "-")] = Image.fromarray(pixels)
    return found


def save_beside(file: str | Path, steps: Mapping[str, Image.Image]) -> None:
    """Write each as PNG into a folder beside `file`, named after it. Raises OSError."""
    folder = Path(file).parent / FOLDER
    if steps:
        folder.mkdir(exist_ok=True)
    for name, picture in steps.items():
        with whole_file(folder / fitting_name(Path(file).stem, f"-{name}.png")) as to:
            picture.save(to, "PNG")


def on_image_saved(parameters: SavedImage) -> None:
    """What the host calls after each file it has saved; only the one after our hook is ours."""
    job = getattr(parameters.p, JOB, None)
    if job is not None and job.steps:
        steps, job.steps = job.steps, {}
        try:
            save_beside(parameters.filename, steps)
        except Exception as error:
            log.error("RealisHuman: intermediate pictures were not saved.", exc_info=error)
