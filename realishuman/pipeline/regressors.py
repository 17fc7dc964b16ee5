"""Which mesh regressor a kind of part gets: the built-in one, or the paper's where it is installed.

The paper's run from files that `realishuman setup official` makes in the models folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from realishuman.advice import command
from realishuman.errors import ModelError
from realishuman.mesh import face3d
from realishuman.mesh.base import MeshRegressor
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.mesh.face3d import OfficialFace
from realishuman.mesh.hamer import HamerHand
from realishuman.mesh.hand_corrector import PHOTOGRAPHED, STAYS, HandCorrector
from realishuman.packs.store import models_dir
from realishuman.parts.kinds import KINDS

AUTO, EMBEDDED, OFFICIAL = "auto", "embedded", "official"  # of the setting `mesh`
CORRECTED = "corrected"  # of a pack's header: the built-in one after mesh.hand_corrector
BUILT_IN = "built-in"  # what reports call the regressors of KINDS
CORRECTING = "built-in, landmarks corrected"
CORRECTING_PHOTOGRAPHS = "built-in, landmarks corrected as in photographs"


@dataclass(frozen=True)
class PaperRegressor:
    """A regressor of the paper.

    name   as reports call it.
    files  that it runs from, within the models folder.
    open   makes it, given the models folder and a provider as onnx_session takes it.
    """

    name: str
    files: tuple[str, ...]
    open: Callable[[Path, str], MeshRegressor]


HAMER = "hamer/hamer.onnx"


def _hamer(folder: Path, provider: str) -> MeshRegressor:
    return HamerHand(folder / HAMER, provider)


PAPER: Mapping[str, PaperRegressor] = {
    "hand": PaperRegressor("HaMeR", (HAMER, f"{HAMER}.data"), _hamer),
    "face": PaperRegressor(
        "3DDFA-V3", (face3d.REGRESSOR, face3d.WEIGHTS, face3d.BASIS), OfficialFace
    ),
}


@dataclass(frozen=True)
class Choice:
    """What makes the meshes of one kind of part.

    name  as reports call it.
    note  a sentence if the pack was trained with another one, else empty.
    """

    name: str
    note: str = ""


def choose(kind: str, wish: str, trained_with: str, folder: Path) -> Choice:
    """Choose the regressor of a kind.

    wish          the setting: "auto" takes what the pack was trained with, where it is installed.
    trained_with  "embedded", "corrected" or "official": the pack's header.
    folder        the models folder.
    Raises        ModelError if "official" is wished for and not installed.
    """
    if wish == AUTO and trained_with == CORRECTED and kind == "hand":
        return Choice(CORRECTING)
    if wish == EMBEDDED or (wish == AUTO and trained_with != OFFICIAL):
        return Choice(BUILT_IN)
    paper = PAPER.get(kind)
    missing = [name for name in paper.files if not (folder / name).is_file()] if paper else []
    if paper and not missing:
        return Choice(paper.name)
    what = f"the paper has none for {kind}s"
    if paper:
        what = f"{paper.name} is not installed, {' and '.join(missing)} missing in {folder}"
    line = command("setup", "official", folder=models_dir(folder))
    if wish == OFFICIAL:
        raise ModelError(f"{what}. Run `{line}`, or choose the mesh auto or embedded.")
    return Choice(
        BUILT_IN,
        f"The built-in meshes stand in for those the {kind} pack was trained with: {what} "
        f"(`{line}` makes it).",
    )


def open_regressor(kind: str, choice: Choice, folder: Path, provider: str) -> MeshRegressor:
    """Make the regressor that was chosen."""
    if choice.name == BUILT_IN:
        return KINDS[kind].regressor()
    if choice.name == CORRECTING:
        return EmbeddedHand(HandCorrector())
    if choice.name == CORRECTING_PHOTOGRAPHS:
        return EmbeddedHand(HandCorrector(PHOTOGRAPHED, STAYS))
    return PAPER[kind].open(folder, provider)
