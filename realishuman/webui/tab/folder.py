"""Every picture of a folder, refined into another folder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realishuman.batch.places import arrange
from realishuman.errors import PackError, RealisHumanError, SettingsError
from realishuman.imaging.picture import check_target, load_picture, save_picture
from realishuman.pipeline.result import Result
from realishuman.progress import Interrupted

log = logging.getLogger("realishuman")
Refine = Callable[[NDArray[np.uint8] | NDArray[np.uint16]], Result]
Written = Callable[[str, Result], str]


def refine_folder(source: str, target: str, refine: Refine, written: Written) -> list[str]:
    """Refine each picture and save it under its name; none that fails stops the others.

    written  the infotext of a refined picture, from the one its file had and the result.
    Returns  a sentence per picture, and one on the whole.
    Raises   SettingsError or PackError if no picture can be refined at all.
    """
    if not source.strip() or not target.strip():
        raise SettingsError(
            "name both folders: the one with the pictures and the one for the results."
        )
    if not Path(source).is_dir():
        raise SettingsError(f"{source} is not a folder on the machine that runs the WebUI.")
    arranged = arrange([source], f"{target}/")
    lines, done = [arranged.passed_over] if arranged.passed_over else [], 0
    for picture, to in arranged.pairs:
        name = picture.relative_to(source)
        try:
            message = _refine_file(picture, to, refine, written)
        except Interrupted:
            lines.append(f"Interrupted at {name}.")
            break
        except (PackError, SettingsError):
            raise  # the next picture would fail in the same way
        except RealisHumanError as error:
            message = f"failed: {error}"
        except Exception as error:
            log.error("RealisHuman: %s", picture, exc_info=error)
            message = f"failed: unexpected {type(error).__name__}, see the console: {error}"
        else:
            done += 1
        lines.append(f"{name}: {message}")
    return [f"{done} of {len(arranged.pairs)} pictures saved in {target}.", *lines]


def _refine_file(source: Path, target: Path, refine: Refine, written: Written) -> str:
    loaded = load_picture(source)
    check_target(target, loaded)
    result = refine(loaded.rgb if loaded.deep is None else loaded.deep)
    target.parent.mkdir(parents=True, exist_ok=True)
    parameters = written(loaded.metadata.parameters, result)
    lost = save_picture(target, result.image[..., :3], loaded.with_parameters(parameters))
    return " ".join([result.message, *(f"Not kept: {one}." for one in lost)])
