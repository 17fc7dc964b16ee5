"""Which model files there are: what each is for, its licence and size, what is wrong or missing.

Nothing is downloaded. What is missing comes with the exact next step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from realishuman.settings import PART_KINDS
from realishuman.weights.store import EMBEDDED, installed

ASSETS = Path(__file__).parents[2] / "assets"
_PURPOSE = {  # shipped file -> what it is for, licence
    "mediapipe/palm_detection_full.onnx": ("finds hands", "Apache-2.0"),
    "mediapipe/hand_landmark_full.onnx": ("reads the joints of a hand", "Apache-2.0"),
    "mediapipe/face_detection_full_range_sparse.onnx": ("finds faces", "Apache-2.0"),
    "mediapipe/face_landmark.onnx": ("reads the outline of a face", "Apache-2.0"),
    "hand/template.npz": ("mesh of hands", "MIT"),
    "face/template.npz": ("mesh of faces", "Apache-2.0"),
    "judge/hand.onnx": ("judges whether a repaired hand is better than before", "Apache-2.0"),
    "judge/scorer-hand.onnx": ("scores hands in evaluations; decides nothing", "Apache-2.0"),
}
_OTHER = "comes with the extension"
_MEANING = {
    "trained": "trained weights",
    "demo": "DEMO weights: small, trained on synthetic pictures, for trying out",
    "random": "RANDOM weights: they paint noise and only prove that everything runs",
}


@dataclass(frozen=True)
class ModelFile:
    """One line of the page.

    status   "there", "missing" or "wrong".
    weights  "trained", "demo" or "random" of a pack, else empty.
    step     what to do next, empty if nothing.
    """

    name: str
    purpose: str
    status: str
    size: int
    licence: str
    weights: str = ""
    step: str = ""


@dataclass(frozen=True)
class Inventory:
    """Everything the page shows.

    provider  what runs the detector's networks, empty before their first use.
    host      a sentence on the loaded checkpoint and what it means for packs.
    """

    folder: str
    files: tuple[ModelFile, ...]
    provider: str
    host: str

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def inventory(folder: Path, provider: str = "", host: str = "") -> Inventory:
    """Look at every shipped file and at the packs in `folder`; hashes about 10 MB."""
    return Inventory(str(folder), (*_packs(folder), *_shipped()), provider, host)


def _shipped() -> list[ModelFile]:
    listed = json.loads((ASSETS / "checksums.json").read_text("utf-8"))
    again = "install the extension again (Extensions page, or git checkout of its folder)"
    found = []
    for name, expected in listed.items():
        path, (purpose, licence) = ASSETS / name, _PURPOSE.get(name, (_OTHER, "see THIRD_PARTY.md"))
        if not path.is_file():
            found.append(ModelFile(name, purpose, "missing", 0, licence, step=again))
            continue
        right = hashlib.sha256(path.read_bytes()).hexdigest() == expected
        status, step = ("there", "") if right else ("wrong", f"its content was changed: {again}")
        found.append(ModelFile(name, purpose, status, path.stat().st_size, licence, step=step))
    return found


def _packs(folder: Path) -> list[ModelFile]:
    packs, faults = installed(folder)
    found = [
        ModelFile(
            pack.path.name,
            f"repaints {pack.header.kind}s"
            + (" (comes with the extension)" if pack.path.parent == EMBEDDED else ""),
            "there",
            pack.path.stat().st_size,
            pack.header.licence,
            pack.header.weights,
        )
        for pack in packs
    ]
    found += [ModelFile("", "a pack", "wrong", 0, "", step=fault) for fault in faults]
    best = {pack.header.kind: pack.header.weights for pack in reversed(packs)}
    for kind in PART_KINDS:
        if best.get(kind) != "trained":
            found.append(_wanted(kind, best.get(kind, ""), folder))
    return found


def _wanted(kind: str, weights: str, folder: Path) -> ModelFile:
    """The pack with the released weights, which a user must make personally."""
    loss = f"only {weights} weights repaint {kind}s" if weights else f"{kind}s are left alone"
    return ModelFile(
        f"{kind}.safetensors",
        f"repaints {kind}s with the released weights",
        "missing",
        0,
        "of the RealisHuman authors",
        step=(
            f"Without it {loss}. It cannot be downloaded for you: fetch checkpoint-stage1-{kind}"
            f".ckpt and checkpoint-stage2-{kind}.ckpt from the links on "
            f"https://github.com/Wangbenzhi/RealisHuman, run `realishuman convert {kind} -o "
            f"{folder / (kind + '.safetensors')}` with them (`realishuman convert -h` lists the "
            "other files it asks for), then press Refresh."
        ),
    )


def page(found: Inventory) -> str:
    """The page as HTML."""
    rows = "".join(map(_row, found.files))
    heads = ("file", "for", "state", "size", "licence", "next step")
    head = "".join(f"<th>{name}</th>" for name in heads)
    lines = [
        f"Models folder: {found.folder}",
        f"Detector runs on: {found.provider or 'not opened yet; it opens with the first picture'}",
        *([found.host] if found.host else []),
    ]
    return (
        "".join(f"<p>{escape(line)}</p>" for line in lines)
        + f'<table class="rh-table rh-models"><tr>{head}</tr>{rows}</table>'
    )


def _row(one: ModelFile) -> str:
    state = one.status + (f", {_MEANING.get(one.weights, one.weights)}" if one.weights else "")
    cells: Sequence[str] = (
        one.name,
        one.purpose,
        state,
        _size(one.size) if one.size else "",
        one.licence,
        one.step,
    )
    mark = "demo" if one.weights in ("demo", "random") else one.status
    return (
        f'<tr class="rh-{mark}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    )


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{max(count / 2**20, 0.1):.1f} MiB"
