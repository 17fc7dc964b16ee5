"""The whole method on pictures: find, mesh, paint, judge, paste. The public API."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.arguments import expect
from realishuman.detect.base import GivenBox
from realishuman.imaging.handed import pixels_of
from realishuman.imaging.loaded import LoadedPicture, picture_of
from realishuman.imaging.paste import compose
from realishuman.imaging.picture import load_picture
from realishuman.parts.found import Found
from realishuman.parts.origin import Origin
from realishuman.pipeline.look import look
from realishuman.pipeline.models import Models
from realishuman.pipeline.painters import choose_painter
from realishuman.pipeline.repaint import ChoosePainter, repaint
from realishuman.pipeline.result import Result, Stopped
from realishuman.pipeline.run import Run, choose_parts
from realishuman.progress import Clock, Interrupted, Progress, Silent
from realishuman.settings import Settings

Pixels = NDArray[np.uint8]
STOPPED = "This part was not painted before the run was stopped."


def refine(
    image: str | Path | Image.Image | NDArray[Any],
    models: Models,
    settings: Settings | None = None,
    *,
    boxes: Sequence[GivenBox] = (),
    found: Found | None = None,
    only: Collection[int] | None = None,
    progress: Progress | None = None,
    keep_steps: bool = False,
    made: Origin | None = None,
) -> Result:
    """Repair the hands and faces of one picture.

    image       a file, a Pillow picture, or (H, W), (H, W, 3) or (H, W, 4) uint8 RGB(A), uint16,
                or float in [0, 1].
    models      which networks to use, as open_models returns them.
    boxes       places to search instead of the whole picture, in its pixels: there alone, for
                their kinds alone.
    found       what `look` returned for this picture, which is then not searched again.
    only        numbers of the parts that may be refined; None means all.
    keep_steps  return crops, pose images, masks and the painter's steps in Result.steps.
    made        how the picture was made, for a checkpoint to repaint alike; None reads it from the
                file's generation parameters.
    Returns     the picture with the refined parts pasted in and a report; the input itself, bit
                for bit, if there was nothing to do. Of 16 bits per channel all are kept.
    Raises      RealisHumanError with a sentence for the user; Interrupted from progress, and
                Stopped with what was done so far if some parts were refined before.
    """
    _check_arguments(image, models, settings, boxes, only)
    if isinstance(image, (str, os.PathLike)):
        loaded = load_picture(image)
    else:
        loaded = picture_of(pixels_of(image) if isinstance(image, Image.Image) else image)
    run = _begin(loaded, models, settings, boxes, found, only, progress, keep_steps, made)
    try:
        repaint([run], choose_painter)
    except Interrupted as stop:
        if run.patches:
            run.leave_rest(STOPPED)
            raise Stopped(_result_of(run)) from stop
        raise
    return _result_of(run)


def refine_all(
    pictures: Sequence[Pixels],
    models: Models,
    settings: Settings | None = None,
    *,
    found: Sequence[Found] | None = None,
    progress: Progress | None = None,
    keep_steps: bool = False,
    choose: ChoosePainter = choose_painter,
    ask_detector: bool = True,
) -> list[Result]:
    """Repair several pictures; their parts go through the networks together.

    pictures      each (H, W, 3) uint8 RGB, of any size.
    found         what `look` returned for each, which are then not searched again.
    choose        gives the painter of a kind of part.
    ask_detector  whether the judge may look for the keypoints of a repair again; not where the
                  same detector is to measure the result.
    Returns       what `refine` returns for each alone, but for float rounding. Result.seconds
                  shares the networks' time by parts.
    Raises        as `refine`.
    """
    each: Sequence[Found | None] = [None] * len(pictures) if found is None else found
    runs = [
        _begin(picture_of(one), models, settings, (), known, None, progress, keep_steps)
        for one, known in zip(pictures, each, strict=True)
    ]
    repaint(runs, choose, ask_detector)
    return [run.result() for run in runs]


def _begin(
    source: LoadedPicture,
    models: Models,
    settings: Settings | None,
    boxes: Sequence[GivenBox],
    found: Found | None,
    only: Collection[int] | None,
    progress: Progress | None,
    keep_steps: bool,
    made: Origin | None = None,
) -> Run:
    """Look at a picture, unless its parts are known, and choose those to repaint."""
    settings, progress, clock = settings or Settings(), progress or Silent(), Clock()
    if found is None:
        found = look(source.rgb, models, settings, boxes, progress, clock)
    found, missed = choose_parts(found, only, boxes)
    return Run(source, models, settings, progress, keep_steps, clock, found, missed, made)


def _result_of(run: Run) -> Result:
    """What the run has made; of 16 bits per channel all are kept."""
    result, deep = run.result(), run.source.deep
    return result if deep is None else replace(result, image=_deepen(deep, run))


def _check_arguments(image: Any, models: Any, settings: Any, boxes: Any, only: Any) -> None:
    """Raise SettingsError if an argument of `refine` has a wrong type."""
    expect("image", image, (str, os.PathLike, Image.Image, np.ndarray), "a path or a picture")
    expect("models", models, Models, "what open_models() returns")
    if settings is not None:
        wanted = "Settings(...), or Settings.from_dict(...) of a dict"
        expect("settings", settings, Settings, wanted)
    expect("boxes", boxes, Sequence, "a list of GivenBox")
    for one in boxes:
        expect("boxes", one, GivenBox, "a list of GivenBox")
    if only is not None:
        expect("only", only, Collection, "a list of parts' numbers")
        for number in only:
            expect("only", number, (int, np.integer), "a list of parts' numbers")


def _deepen(deep: NDArray[np.uint16], run: Run) -> NDArray[np.uint16]:
    """The picture (H, W, 3 or 4) with 16 bits per channel, the same parts pasted in."""
    ways, output = run.settings.ways, deep.copy()
    output[..., :3] = compose(
        deep[..., :3], run.patches, feather=ways.paste, colour_match=ways.colour_match
    )
    return output
