"""Which mesh regressor a kind of part gets: the built-in one, or the paper's where it is installed.

The paper's run from files that `realishuman setup official` makes in the models folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from realishuman.advice import command
from realishuman.errors import ModelError
from realishuman.kinds import KINDS, load, plural
from realishuman.mesh.base import MeshRegressor, PaperRegressor
from realishuman.packs.store import models_dir

AUTO, EMBEDDED, OFFICIAL = "auto", "embedded", "official"  # of the setting `mesh`
CORRECTED = "corrected"  # of a pack's header: the built-in one, landmarks corrected
BUILT_IN = "built-in"  # what reports call the kinds' own regressors
CORRECTING = "built-in, landmarks corrected"
CORRECTING_PHOTOGRAPHS = "built-in, landmarks corrected as in photographs"


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
    if wish == AUTO and trained_with == CORRECTED and KINDS[kind].corrected:
        return Choice(CORRECTING)
    if wish == EMBEDDED or (wish == AUTO and trained_with != OFFICIAL):
        return Choice(BUILT_IN)
    paper = paper_regressor(kind)
    missing = [name for name in paper.files if not (folder / name).is_file()] if paper else []
    if paper and not missing:
        return Choice(paper.name)
    what = f"the paper has none for {plural(kind)}"
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
    paper = paper_regressor(kind)
    if paper and choice.name == paper.name:
        return paper.open(folder, provider)
    entry = KINDS[kind]
    makers = {
        BUILT_IN: entry.regressor,
        CORRECTING: entry.corrected,
        CORRECTING_PHOTOGRAPHS: entry.photographed,
    }
    regressor: MeshRegressor = load(makers[choice.name])()
    return regressor


def paper_regressor(kind: str) -> PaperRegressor | None:
    """The paper's regressor of a kind; None if it has none."""
    return load(KINDS[kind].paper) if KINDS[kind].paper else None
