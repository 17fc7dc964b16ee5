"""Which model files there are: what each is for, its licence and size, what is wrong or missing.

Nothing is downloaded here. What is missing comes with the exact next step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path

from realishuman.advice import command
from realishuman.downloads.fetch import by_hand
from realishuman.downloads.inventory import FeatureState, State, advice, features, states
from realishuman.files.fingerprint import digest
from realishuman.kinds import list_released, plural
from realishuman.packs.store import EMBEDDED, TRAINED, Fault, find_installed, models_dir
from realishuman.pipeline.engines import engine_of
from realishuman.settings import AUTO

ASSETS = Path(__file__).parents[2] / "assets"
_PURPOSE = {  # shipped file -> what it is for, licence
    "mediapipe/palm_detection_full.onnx": ("finds hands", "Apache-2.0"),
    "mediapipe/hand_landmark_full.onnx": ("reads the joints of a hand", "Apache-2.0"),
    "mediapipe/face_detection_full_range_sparse.onnx": ("finds faces", "Apache-2.0"),
    "mediapipe/face_landmark.onnx": ("reads the outline of a face", "Apache-2.0"),
    "hand/template.npz": ("mesh of hands", "MIT"),
    "face/template.npz": ("mesh of faces", "Apache-2.0"),
    "corrector/photographed-hand.onnx": ("corrects the joints of malformed hands", "Apache-2.0"),
    "corrector/hand.onnx": ("the same of rendered hands, for the demo pack", "Apache-2.0"),
    "judge/photographed-hand.onnx": (
        "judges whether a hand needs repair, and whether a repair is better",
        "Apache-2.0",
    ),
    "judge/hand.onnx": ("the same of rendered hands, for the demo pack", "Apache-2.0"),
    "judge/scorer-hand.onnx": ("scores hands in evaluations; decides nothing", "Apache-2.0"),
    "packs/demo-hand.safetensors": ("the demo pack for hands", "Apache-2.0"),
}
_OTHER = "comes with the extension"
SHIPPED = "Comes with the extension"
PACKS = tuple(f"{kind}.safetensors" for kind in list_released())
_ADDRESS = re.compile(r"https://[^\s&<>\"']*[^\s&<>\"'.,;:)]")
_STATE = {"unchecked": "present, hash not checked", "partial": "download was interrupted"}
_MEANING = {
    "trained": "trained weights",
    "demo": "DEMO weights: small, trained on synthetic pictures, for trying out",
    "random": "RANDOM weights: they paint noise and only prove that everything runs",
}


@dataclass(frozen=True)
class ModelFile:
    """One line of the page.

    status   "there", "unchecked" (there, but its hash was not compared), "partial" (its download
             was interrupted), "missing", "wrong", or "broken" of a pack.
    size     bytes; 0 if unknown.
    weights  "trained", "demo" or "random" of a pack, else empty.
    step     what to do next, empty if nothing.
    by_hand  how to do without a download by us, empty where step says it or none is needed.
    group    the heading it stands under.
    """

    name: str
    purpose: str
    status: str
    size: int
    licence: str
    weights: str = ""
    step: str = ""
    by_hand: str = ""
    group: str = ""


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

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return asdict(self)


def inventory(
    folder: Path, provider: str = "", host: str = "", *, hashed: bool = False
) -> Inventory:
    """Look at every shipped file, whose about 45 MB are hashed, at packs and at listed files.

    hashed  also compare the hashes of listed files and read all of every pack, which may be
            several GB.
    """
    files = (*_packs(folder, hashed), *_list_known(folder, hashed), *_list_shipped())
    return Inventory(str(folder), files, provider, host)


def _list_known(folder: Path, hashed: bool) -> list[ModelFile]:
    """The files of the manifest under the features they are first named for.

    The packs that are made of them stand with the packs.
    """
    found = states(folder, hashed=hashed)
    groups = {one.feature.name: _heading(one) for one in features(found)}
    return [
        ModelFile(
            one.file.name,
            one.file.what,
            one.status,
            one.size or one.file.size,
            one.file.licence.title,
            step=_step(one, folder),
            by_hand="" if one.present or one.file.how != "auto" else by_hand(one.file, folder),
            group=groups[one.file.features[0]],
        )
        for one in found.values()
        if one.file.name not in PACKS
    ]


def _heading(one: FeatureState) -> str:
    feature = one.feature
    if one.ready:
        return f"{feature.name}: {feature.gives}. Ready."
    return f"{feature.name}: {feature.gives}. Until then {feature.without}."


def _step(one: State, folder: Path) -> str:
    """The next step for one file, on this page."""
    if not one.present and one.file.how == "made":
        return f"Made from the other files of {one.file.features[0]}: press Make above."
    if one.present or one.file.how != "auto":
        return one.note or advice(one, folder)
    step = {
        "partial": "Choose it above and press Download to resume.",
        "wrong": f"{one.note}. Choose it above and press Download to fetch it again.",
    }
    return step.get(one.status, "Choose it above and press Download.")


def _list_shipped() -> list[ModelFile]:
    listed = json.loads((ASSETS / "checksums.json").read_text("utf-8"))
    again = "install the extension again (Extensions page, or git checkout of its folder)"
    found = []
    for name, expected in listed.items():
        path, (purpose, licence) = ASSETS / name, _PURPOSE.get(name, (_OTHER, "see THIRD_PARTY.md"))
        if not path.is_file():
            found.append(ModelFile(name, purpose, "missing", 0, licence, step=again))
            continue
        right = digest(path) == expected
        status, step = ("there", "") if right else ("wrong", f"its content has changed: {again}")
        found.append(ModelFile(name, purpose, status, path.stat().st_size, licence, step=step))
    return [replace(one, group=SHIPPED) for one in found]


def _packs(folder: Path, thorough: bool) -> list[ModelFile]:
    there = find_installed(folder, thorough=thorough)
    found = [
        ModelFile(
            pack.path.name,
            f"repaints {plural(pack.header.kind)}"
            + (" (comes with the extension)" if pack.path.parent == EMBEDDED else ""),
            "there",
            pack.path.stat().st_size,
            pack.header.licence,
            pack.header.weights,
        )
        for pack in there.packs
    ]
    found += [_broken(fault) for fault in there.faults]
    for kind in list_released():
        mine = [pack for pack in there.packs if pack.header.kind == kind]
        trained = any(pack.header.weights == TRAINED for pack in mine)
        if not trained and not there.in_the_way(kind):
            found.append(_wanted(kind, [pack.path.name for pack in mine], folder))
    return [replace(one, group="Packs") for one in found]


def _broken(fault: Fault) -> ModelFile:
    size = fault.path.stat().st_size if fault.path.is_file() else 0
    purpose = f"would repaint {plural(fault.kind)}" if fault.kind else "a pack"
    return ModelFile(fault.path.name, purpose, "broken", size, "", fault.weights, fault.why)


def _wanted(kind: str, others: Sequence[str], folder: Path) -> ModelFile:
    """The pack with the released weights, which a user must make personally."""
    loss = f"{plural(kind)} are left alone"
    if engine_of(kind, AUTO, False):
        loss = f"{plural(kind)} are repaired with the picture's own skin"
    if others:
        loss += f" unless a pack is chosen by name ({', '.join(others)})"
    return ModelFile(
        f"{kind}.safetensors",
        f"repaints {plural(kind)} with the released weights",
        "missing",
        0,
        "of the RealisHuman authors",
        step=(
            f"Without it {loss}. It cannot be downloaded for you: fetch "
            f"checkpoint-stage1-{kind}.ckpt and checkpoint-stage2-{kind}.ckpt from the links "
            "on https://github.com/Wangbenzhi/RealisHuman, name their folder above, and press "
            "Check to see what else is needed. Or paste into a terminal: "
            f"{command('setup', 'official', '--checkpoints', 'FOLDER', folder=models_dir(folder))}"
        ),
    )


def page(found: Inventory) -> str:
    """The page as HTML: a table with a heading for each group."""
    heads = ("file", "for", "state", "size", "licence", "next step")
    rows = ["<tr>" + "".join(f"<th>{name}</th>" for name in heads) + "</tr>"]
    group = ""
    for one in found.files:
        if one.group != group:
            group = one.group
            rows.append(
                f'<tr class="rh-group"><td colspan="{len(heads)}">{escape(group)}</td></tr>'
            )
        rows.append(_row(one))
    lines = [
        f"Models folder: {found.folder}",
        f"Detector runs on: {found.provider or _list_providers()}",
        *([found.host] if found.host else []),
    ]
    return (
        "".join(f"<p>{escape(line)}</p>" for line in lines)
        + f'<table class="rh-table rh-models">{"".join(rows)}</table>'
    )


def _list_providers() -> str:
    """What onnxruntime could run networks on; which it really uses shows once one is open."""
    try:
        import onnxruntime
    except ImportError:
        return "nothing: onnxruntime is missing; restart the WebUI without --skip-install"
    names = ", ".join(onnxruntime.get_available_providers())
    return (
        f"not opened yet; it opens with the first picture (onnxruntime {onnxruntime.__version__} "
        f"offers {names})"
    )


def _row(one: ModelFile) -> str:
    state = _STATE.get(one.status, one.status)
    state += f", {_MEANING.get(one.weights, one.weights)}" if one.weights else ""
    cells: Sequence[str] = (
        one.name,
        one.purpose,
        state,
        _size(one.size) if one.size else "",
        one.licence,
        one.step,
    )
    mark = "demo" if one.weights in ("demo", "random") else one.status
    shown = [_link(cell) for cell in cells]
    if one.by_hand:
        shown[-1] += f"<details><summary>By hand</summary>{_link(one.by_hand)}</details>"
    return f'<tr class="rh-{mark}">' + "".join(f"<td>{cell}</td>" for cell in shown) + "</tr>"


def _link(text: str) -> str:
    """The text as HTML, its web addresses as links."""
    link = r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>'
    return _ADDRESS.sub(link, escape(text))


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{max(count / 2**20, 0.1):.1f} MiB"
