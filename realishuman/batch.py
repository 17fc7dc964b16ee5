"""Many pictures, one after the other: which files, where to, and what went wrong with which."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2

from realishuman.detect.base import GivenBox
from realishuman.errors import PackError, PictureError, RealisHumanError, SettingsError
from realishuman.files import whole_file
from realishuman.imaging.picture import EXTENSIONS, load_picture, save_picture
from realishuman.models import Models
from realishuman.pipeline import find, reconstruct, refine
from realishuman.prepare import prepare
from realishuman.progress import Progress
from realishuman.result import Result
from realishuman.settings import Settings
from realishuman.sheet import contact_sheet

Say = Callable[[str], None]
Pairs = Sequence[tuple[Path, Path]]


def expand(names: Sequence[str]) -> list[Path]:
    """Files, the pictures in folders and what globs match, sorted within each, without repeats.

    Raises SettingsError if a folder or glob gives nothing. A file that is missing is kept: loading
    it says so, and the others still run.
    """
    pictures: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in EXTENSIONS)
        elif glob.has_magic(name) and not path.exists():
            found = sorted(Path(hit) for hit in glob.glob(name, recursive=True))  # noqa: PTH207 - a whole path
        else:
            found = [path]
        if not found:
            raise SettingsError(f"{name} holds no picture ({', '.join(sorted(EXTENSIONS))}).")
        pictures.update(dict.fromkeys(found))
    return list(pictures)


def targets(pictures: Sequence[Path], output: str, suffix: str | None = None) -> list[Path]:
    """Where each result goes: `output` itself for one picture, else a file of its name in it.

    suffix  replaces the pictures' own extension, as in ".png".
    Raises  SettingsError if two results would have one name or a picture would be overwritten
            without its own file being named.
    """
    folder = Path(output)
    if len(pictures) == 1 and folder.suffix and not folder.is_dir():
        return [folder]
    results = [folder / (p.stem + suffix if suffix else p.name) for p in pictures]
    if len(set(results)) < len(results):
        raise SettingsError("two pictures have the same name; refine them into different folders.")
    sources = {picture.resolve() for picture in pictures}
    if taken := [str(path) for path in results if path.resolve() in sources]:
        raise SettingsError(
            f"{taken[0]} is itself one of the pictures; name another folder with -o."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the folder {folder} cannot be made: {error.strerror}.") from error
    return results


def refine_files(
    pairs: Pairs,
    models: Models,
    settings: Settings,
    *,
    boxes: Sequence[GivenBox] = (),
    steps_folder: Path | None = None,
    progress: Progress | None = None,
    say: Say,
) -> tuple[list[dict[str, Any]], int]:
    """Refine each picture and save it; one that fails does not stop the others.

    Returns  a report per picture, ready for JSON, and how many failed.
    """
    reports, failed = [], 0
    for source, target in pairs:
        try:
            loaded = load_picture(source)
            result = refine(
                loaded.rgb,
                models,
                settings,
                boxes=boxes,
                progress=progress,
                keep_steps=steps_folder is not None,
            )
            save_picture(target, result.image, loaded)
            if steps_folder is not None:
                _save_steps(steps_folder / source.stem, result)
        except PackError:
            raise  # the next picture would fail in the same way
        except RealisHumanError as error:
            failed += 1
            say(f"{source}: {error}")
            reports.append({"input": str(source), "error": str(error)})
            continue
        if not reports and models.detector.note:
            say(models.detector.note)
        say(f"{source} -> {target}: {result.message}")
        for part in result.parts:
            if part.reason:
                say(f"  {part.index} {part.side or ''} {part.kind} kept: {part.reason}")
        reports.append({"input": str(source), "output": str(target), **result.report()})
    return reports, failed


def inspect_files(
    pairs: Pairs, models: Models, settings: Settings, boxes: Sequence[GivenBox], say: Say
) -> int:
    """Save a contact sheet per picture; returns how many failed."""
    failed = 0
    for source, target in pairs:
        try:
            rgb = load_picture(source).rgb
            found = find(rgb, models, settings, boxes)
            parts = [part for part, _ in found]
            meshes = reconstruct(rgb, parts, models)
            chosen = [index for index, (_, why) in enumerate(found, start=1) if not why]
            preset = settings.preset or "released"
            ready = prepare(
                rgb, parts, meshes, chosen, settings, preset=preset, pose="shaded", resolution=512
            )
            _save_png(target, contact_sheet(rgb, found, ready))
        except RealisHumanError as error:
            failed += 1
            say(f"{source}: {error}")
            continue
        say(f"{source} -> {target}: {len(parts)} parts found, {len(chosen)} would be refined.")
    return failed


def write_report(path: Path, reports: Sequence[dict[str, Any]]) -> None:
    """Write reports as JSON. Raises PictureError if the disk refuses."""
    _write(path, (json.dumps(reports, indent=2) + "\n").encode())


def _save_steps(folder: Path, result: Result) -> None:
    for name, pixels in result.steps.items():
        _save_png(folder / f"{name}.png", pixels)


def _save_png(path: Path, pixels: Any) -> None:
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise PictureError(f"{path} cannot be encoded as PNG")
    _write(path, encoded.tobytes())


def _write(path: Path, content: bytes) -> None:
    """Write whole, making the folder. Raises PictureError if the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}.") from error
