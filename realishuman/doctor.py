"""What works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from realishuman.advice import pip
from realishuman.errors import RealisHumanError
from realishuman.kinds import plural
from realishuman.pipeline.engines import engine_of
from realishuman.settings import AUTO, PART_KINDS

PACKAGES = (  # distribution names, and what each is for
    (("torch",), "networks and rasteriser"),
    (("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"), "detector"),
    (("opencv-python-headless", "opencv-python", "opencv-contrib-python"), "pictures and masks"),
    (("kornia",), "warps"),
    (("safetensors",), "packs"),
)


def report(folder: Path | None = None) -> tuple[list[str], bool]:
    """Lines for the terminal, and whether what is here works; that packs are lacking is no fault.

    folder  where packs and model files lie; packs.store.models_folder() if not given.
    """
    lines = [f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    healthy = True
    for names, purpose in PACKAGES:
        found = [(name, version) for name in names if (version := _version(name))]
        if found:
            lines.append(f"ok       {' '.join(found[0])} ({purpose})")
        else:
            healthy = False
            lines.append(f"MISSING  {names[0]} ({purpose}): {pip('install', names[0])}")
    if healthy:
        for check in (_device, _detector):
            line, good = check()
            lines.append(line)
            healthy &= good
        lines += _formats()
        from realishuman.packs.store import models_folder

        folder = folder or models_folder()
        packs, sound = _packs(folder)
        lines += packs + _features(folder)
        healthy &= sound
    return lines, healthy


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _device() -> tuple[str, bool]:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return f"ok       GPU {torch.cuda.get_device_name(0)}, {memory:.0f} GiB", True
    return "ok       no GPU that torch can use: everything runs on the CPU, slowly", True


def _detector() -> tuple[str, bool]:
    import numpy as np

    from realishuman.detect.embedded import EmbeddedDetector

    detector = EmbeddedDetector()
    try:
        detector.detect(np.zeros((64, 64, 3), np.uint8), PART_KINDS, confidence=0.5)
    except RealisHumanError as error:
        return f"BROKEN   embedded detector: {error}", False
    return f"ok       embedded detector, run by {detector.provider} {detector.note}".rstrip(), True


def _formats() -> list[str]:
    """Which picture files can be read and written, and what others need."""
    from realishuman.imaging.formats import missing, readable, writable

    only_read = sorted(set(readable().values()) - set(writable().values()))
    as_png = f"; {', '.join(only_read)} are read, and written as PNG" if only_read else ""
    lines = [f"ok       pictures: {', '.join(sorted(set(writable().values())))}{as_png}"]
    return lines + [
        f"without  {form} pictures: they need {what}" for form, what in missing().items()
    ]


def _packs(folder: Path) -> tuple[list[str], bool]:
    """What repaints each kind of part unasked, how to get a pack, and whether all are sound."""
    from realishuman.downloads.inventory import features, states
    from realishuman.packs.store import find_installed

    there = find_installed(folder)
    steps = {one.feature.name: one.next_step for one in features(states(folder))}
    lines = [f"BROKEN   {fault.why}" for fault in there.faults]
    for kind in PART_KINDS:
        if there.in_the_way(kind):
            lines.append(
                f"BROKEN   {plural(kind)}: none is refined until that pack is repaired or removed"
            )
            continue
        if pack := there.pick(kind):
            lines.append(f"ok       {plural(kind)}: {pack.path}")
            continue
        if engine_of(kind, AUTO, False):
            fate = "ok       {}: repaired with the picture's own skin; no trained pack in {}"
        else:
            fate = "missing  {}: no trained pack in {}; they are left alone"
        lines.append(fate.format(plural(kind), folder))
        if step := steps.get(f"{kind}-pack"):
            lines.append(f"         next, for the released weights: {step}")
    named = [pack for pack in there.packs if pack.header.weights != "trained"]
    lines += [
        f"ok       {pack.path.name}: {pack.header.weights} weights for "
        f"{plural(pack.header.kind)}, only when named"
        for pack in named
    ]
    return lines, not there.faults


def _features(folder: Path) -> list[str]:
    """The paper's own detectors and meshes: what runs, and the next step for what does not."""
    from realishuman.downloads.inventory import features, states

    lines = []
    for one in features(states(folder)):
        name = one.feature.name
        if name.endswith("-pack"):
            continue  # told with the packs
        if one.ready:
            lines.append(f"ok       {name}: {one.feature.gives}")
        else:
            lines.append(f"without  {name}: {one.feature.without}")
            lines.append(f"         next, to have it: {one.next_step}")
    return lines
