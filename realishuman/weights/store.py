"""Where packs live on this machine, and which of them are there."""

from __future__ import annotations

import os
from pathlib import Path

from realishuman.errors import PackError
from realishuman.weights.pack import Pack

ENVIRONMENT = "REALISHUMAN_MODELS"
EMBEDDED = Path(__file__).parents[1] / "assets" / "packs"  # the demo packs
_RANK = ("trained", "demo", "random")  # what is preferred when several packs fit


def models_folder() -> Path:
    """The folder searched for packs: $REALISHUMAN_MODELS, or the user's data folder."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "realishuman"


def files(folder: Path) -> list[Path]:
    """What may be packs: safetensors files of this folder and then the shipped ones."""
    return [path for place in (folder, EMBEDDED) for path in sorted(place.glob("*.safetensors"))]


def installed(folder: Path | None = None) -> tuple[list[Pack], list[str]]:
    """Packs in the folder and the shipped ones, best first.

    Also returns a sentence for each .safetensors file there that is no pack.
    """
    packs, faults = [], []
    folder = folder or models_folder()
    if folder.exists() and not folder.is_dir():
        faults.append(f"{folder} is a file; name a folder in {ENVIRONMENT}.")
    for path in files(folder):
        try:
            packs.append(Pack.open(path))
        except PackError as error:
            faults.append(str(error))
    return sorted(packs, key=lambda pack: _RANK.index(pack.header.weights)), faults


def set_of(pack: Pack) -> str:
    """The name that packs of one origin share: that of the pack without its kind."""
    return pack.header.name.removesuffix(f"-{pack.header.kind}")


def of_set(name: str, kinds: tuple[str, ...], folder: Path | None = None) -> list[Path]:
    """The installed packs of a set, at most one per part kind."""
    chosen: dict[str, Path] = {}
    for pack in installed(folder)[0]:
        if set_of(pack) == name and pack.header.kind in kinds:
            chosen.setdefault(pack.header.kind, pack.path)
    return list(chosen.values())


def best(kinds: tuple[str, ...], folder: Path | None = None) -> list[Path]:
    """One pack per part kind, where there is one: trained before demo before random."""
    chosen: dict[str, Path] = {}
    for pack in installed(folder)[0]:
        if pack.header.kind in kinds:
            chosen.setdefault(pack.header.kind, pack.path)
    return list(chosen.values())
