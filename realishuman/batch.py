"""Many pictures, one after the other: which files, where to, and what went wrong with which."""

from __future__ import annotations

import glob
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from realishuman.detect.base import GivenBox
from realishuman.errors import PackError, PictureError, RealisHumanError, SettingsError
from realishuman.files import whole_file
from realishuman.imaging.boxes import intersection
from realishuman.imaging.picture import EXTENSIONS, check_target, load_picture, save_picture
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

    Raises SettingsError if a name is empty or a folder or glob gives nothing. A file that is
    missing is kept: loading it says so, and the others still run.
    """
    pictures: dict[str, Path] = {}
    for name in names:
        path = Path(name)
        if not name:
            raise SettingsError('a picture has the empty name ""; write . for the current folder.')
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in EXTENSIONS)
        elif glob.has_magic(name) and not path.exists():
            found = sorted(Path(hit) for hit in glob.glob(name, recursive=True))  # noqa: PTH207 - a whole path
        else:
            found = [path]
        if not found:
            raise SettingsError(f"{name} holds no picture ({', '.join(sorted(EXTENSIONS))}).")
        for one in found:
            pictures.setdefault(os.path.abspath(one), one)  # noqa: PTH100 - follows no link
    return list(pictures.values())


def targets(pictures: Sequence[Path], output: str, suffix: str | None = None) -> list[Path]:
    """Where each result goes: `output` itself for one picture, else a file of its name in it.

    Makes the folder and tries whether it can be written to.
    suffix  replaces the pictures' own extension, as in ".png".
    Raises  SettingsError if the place cannot be used, two results would have one name or a picture
            would be overwritten without its own file being named.
    """
    folder = Path(output)
    single = len(pictures) == 1 and folder.suffix and not output.endswith(("/", os.sep))
    if single and not folder.is_dir():
        allowed = {suffix} if suffix else EXTENSIONS
        if folder.suffix.lower() not in allowed:
            raise SettingsError(
                f"{output} ends in {folder.suffix}, not in {', '.join(sorted(allowed))}; end it "
                "with / if it should be a folder."
            )
        _try_folder(folder.parent)
        return [folder]
    results = [folder / (p.stem + suffix if suffix else p.name) for p in pictures]
    for result, count in Counter(results).items():
        if count > 1:
            raise SettingsError(
                f"{count} pictures would become {result}; refine them into different folders."
            )
    sources = {picture.resolve() for picture in pictures}
    if taken := [str(path) for path in results if path.resolve() in sources]:
        raise SettingsError(
            f"{taken[0]} is itself one of the pictures; name another folder with -o."
        )
    _try_folder(folder)
    return results


def refine_files(
    pairs: Pairs,
    models: Models,
    settings: Settings,
    *,
    boxes: Sequence[GivenBox] = (),
    steps_folder: Path | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
    say: Say,
) -> int:
    """Refine each picture and save it; one that fails does not stop the others.

    report   JSON file for what was done to each picture; also written when the run is stopped,
             about the pictures that were finished.
    Returns  how many failed.
    """
    if report is not None and report.is_dir():
        raise SettingsError(f"the report {report} is a folder; name a file in it.")
    for folder in (steps_folder, report and report.parent):
        if folder is not None:
            _try_folder(folder)
    stems = Counter(source.stem for source, _ in pairs)
    reports: list[dict[str, Any]] = []
    try:
        for source, target in pairs:
            name = source.stem if stems[source.stem] == 1 else source.name
            steps = steps_folder / name if steps_folder else None
            try:
                result = _refine_file(source, target, models, settings, boxes, steps, progress)
            except PackError:
                raise  # the next picture would fail in the same way
            except RealisHumanError as error:
                say(_about(source, error))
                reports.append({"input": str(source), "error": str(error)})
                continue
            if models.detector.note and not any("output" in one for one in reports):
                say(models.detector.note)
            say(f"{source} -> {target}: {result.message}")
            for line in _remarks(result, boxes):
                say(line)
            reports.append({"input": str(source), "output": str(target), **result.report()})
    finally:
        if report is not None:
            _write(report, (json.dumps(reports, indent=2) + "\n").encode())
    return sum("error" in one for one in reports)


def _refine_file(
    source: Path,
    target: Path,
    models: Models,
    settings: Settings,
    boxes: Sequence[GivenBox],
    steps: Path | None,
    progress: Progress | None,
) -> Result:
    """One picture from file to file; a file of which nothing changes is copied as it is."""
    loaded = load_picture(source)
    check_target(target, loaded)
    result = refine(
        loaded.rgb, models, settings, boxes=boxes, progress=progress, keep_steps=steps is not None
    )
    same_format = source.suffix.lower() == target.suffix.lower()
    if same_format and np.array_equal(result.image, loaded.rgb):
        _write(target, source)
    else:
        save_picture(target, result.image, loaded)
    if steps is not None:
        for name, pixels in result.steps.items():
            _save_png(steps / f"{name}.png", pixels)
    return result


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


def _about(source: Path, error: RealisHumanError) -> str:
    """The error's sentence, led by the picture's name where it does not begin with it."""
    text = str(error)
    return text if text.startswith(str(source)) else f"{source}: {text}"


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


def _try_folder(folder: Path) -> None:
    """Make the folder, if it is missing, and a file in it: a look before hours of work.

    Raises SettingsError with what the system answered.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"{folder} should be a folder but is, or lies in, a file.") from error
    except OSError as error:
        raise SettingsError(
            f"nothing can be written to the folder {folder} ({error.strerror or error}); name "
            "another one."
        ) from error
