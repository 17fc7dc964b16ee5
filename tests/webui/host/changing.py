"""A picture is refined while its pack is changed at a chosen moment; run in a process of its own.

    python -m tests.webui.host.changing FOLDER

A mapped file that changes ends the process, which must not be the one of the tests. Prints a line
of JSON for each fault at each moment: what became of that picture, and of the next one once the
pack is whole again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from realishuman.backbones.packed import PackedBackbone
from realishuman.detect.base import Part
from realishuman.errors import RealisHumanError
from realishuman.imaging.boxes import around
from realishuman.packs import store
from realishuman.packs.pack import Pack
from realishuman.settings import Settings
from realishuman.webui.choices import choices_from
from realishuman.webui.host.engine import Engine

FAST = Settings(parts=("hand",), steps=1, guidance=1.0, seed=3, judge=False)
WITHIN = "within stage one"
MOMENTS = ("opening", "before stage two", "within stage two", WITHIN)


def truncate(path: Path) -> None:
    os.truncate(path, 1000)


def copy_slowly(path: Path) -> None:
    """As `cp` does half-way: the old file is emptied, and the new one's first half is there."""
    content = path.with_name("new").read_bytes()
    path.write_bytes(content[: len(content) // 2])


def replace(path: Path) -> None:
    path.with_name("new").replace(path)


def overwrite(path: Path) -> None:
    path.write_bytes(path.with_name("new").read_bytes())


def spoil(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def delete(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def forbid(path: Path) -> None:
    path.chmod(0)
    os.seteuid(65534)


def be_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS = {
    one.__name__: one
    for one in (
        *(truncate, copy_slowly, replace, overwrite, spoil),
        *(delete, rename, forbid, be_a_folder),
    )
}
CASES = [
    (fault, moment)
    for fault in FAULTS
    for moment in MOMENTS
    if moment == WITHIN or fault in ("truncate", "replace", "delete")
]


class Hands:
    """Finds one hand."""

    provider, note = "none", ""

    def release(self):
        pass

    def detect(self, picture, kinds, *, confidence, given=()):
        points = np.array([[60.0, 60.0, 0.0], [140.0, 150.0, 0.0]], np.float32)
        joints = np.linspace(points[0], points[1], 21, dtype=np.float32)
        joints[:, 0] += 20 * np.sin(np.arange(21))
        return [Part("hand", "right", around(joints), 0.9, joints, joints / 1000)]


class Host:
    """A WebUI that keeps nothing loaded, so that each stage reads its networks."""

    name = "stand-in"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open_backbone(self, pack):
        return PackedBackbone(pack, "cpu", keep_loaded=False)

    def undisturbed(self):
        return nullcontext()

    def release(self):
        pass

    def models_folder(self):
        return self.folder

    def checkpoint(self, _control=None):
        return None


def strike_at(moment: str, strike) -> None:
    """Have `strike` called once, at that moment of the next picture."""
    plain, finite = Pack.tensors, torch.isfinite
    begins, inside = {
        "within stage one": ("stage_one.unet.", True),
        "before stage two": ("prompt.", False),
        "within stage two": ("stage_two.unet.", True),
    }[moment]
    left = [5]  # tensors of that network that are still read before

    def tensors(pack, prefix, *args, **named):
        if prefix != begins:
            return plain(pack, prefix, *args, **named)
        Pack.tensors = plain
        if not inside:
            strike()
            return plain(pack, prefix, *args, **named)
        torch.isfinite = counted
        return plain(pack, prefix, *args, **named)

    def counted(tensor):
        left[0] -= 1
        if not left[0]:
            torch.isfinite = finite
            strike()
        return finite(tensor)

    Pack.tensors = tensors


def tried(engine: Engine, path: Path, fault: str, moment: str) -> dict[str, str]:
    """What became of a picture while this happened, and of the next."""
    picture = np.full((220, 220, 3), 120, np.uint8)
    choices = choices_from({"hand_pack": "hand.safetensors"})

    def refined() -> str:
        try:
            result = engine.bind(choices).refine(picture, FAST)
        except RealisHumanError as error:
            return f"{type(error).__name__}: {error}"
        return result.message

    def strike() -> None:
        FAULTS[fault](path)

    if moment == "opening":
        strike()
    else:
        strike_at(moment, strike)
    then = refined()
    os.seteuid(os.getuid())
    if path.is_dir():
        path.rmdir()
    elif path.exists():
        path.chmod(0o644)
    if fault not in ("replace", "overwrite"):
        shutil.copy(path.with_name("whole"), path)
    after = refined() if moment == WITHIN else ""
    return {"fault": fault, "moment": moment, "then": then, "next": after}


def main(folder: Path) -> None:
    """Try every case."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    store.EMBEDDED = folder / "none"
    path = folder / "hand.safetensors"
    engine = Engine(lambda: Host(folder))
    engine._detectors["auto"] = Hands()
    for fault, moment in CASES:
        shutil.copy(folder / "whole", path)
        shutil.copy(folder / "other", folder / "new")
        sys.stdout.write(json.dumps(tried(engine, path, fault, moment)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
