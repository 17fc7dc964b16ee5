"""Where packs live on this machine, which of them are there, and which one repaints a part.

Only trained packs run unasked. Demo and random packs must be named: neither was made for real
pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realishuman.advice import command
from realishuman.errors import PackError
from realishuman.kinds import list_released, plural
from realishuman.packs.pack import METADATA_KEY, Pack
from realishuman.packs.soundness import check_quickly
from realishuman.packs.tensor_file import metadata_of
from realishuman.settings import AUTO, PART_KINDS

ENVIRONMENT = "REALISHUMAN_MODELS"
EMBEDDED = Path(__file__).parents[1] / "assets" / "packs"  # the demo packs
OFFICIAL = "official"  # the set that `realishuman setup official` makes
TRAINED, DEMO, RANDOM = _RANK = ("trained", "demo", "random")  # the order in which they are listed


@dataclass(frozen=True)
class Fault:
    """A .safetensors file that cannot be used as a pack.

    kind     of part it is for, by its header or else by its name; "" if neither tells.
    weights  what its header says of them; "" if it cannot be read.
    why      a sentence that names the file.
    """

    path: Path
    kind: str
    weights: str
    why: str


@dataclass(frozen=True)
class Installed:
    """The packs in a models folder and the shipped ones, and the files there that are none.

    packs  trained ones first, then demo, then random.
    """

    folder: Path
    packs: tuple[Pack, ...]
    faults: tuple[Fault, ...]

    def pick(self, kind: str, name: str = AUTO) -> Pack | None:
        """The pack for a kind of part; None if none was named and no trained one is there.

        name    AUTO, the name or path of a pack file, its ending left out or not, or the name of a
                set.
        Raises  PackError if the pack is damaged, or no pack for this kind has that name. Only where
                none is named, another trained one takes the place of a damaged one.
        """
        if name == AUTO:
            for fault in self.in_the_way(kind):
                raise PackError(f"{fault.why} Repair or remove that file, or name another pack.")
            return next(iter(self._of(kind, TRAINED)), None)
        for pack in self._for(kind):
            if name in _names(pack.path):
                return pack
        for fault in self.faults:
            if name in _names(fault.path):
                raise PackError(fault.why)
        for pack in self._for(kind):
            if set_of(pack) == name:
                return pack
        there = ", ".join(pack.path.name for pack in self._for(kind)) or "none"
        damaged = "".join(f" {fault.why}" for fault in self._find_damaged(kind))
        raise PackError(
            f"{name} is no pack for {plural(kind)} in {self.folder}; there: {there}. Choose "
            f"another.{damaged}"
        )

    def set(self, name: str, kinds: Sequence[str]) -> list[Pack]:
        """The packs of a set, at most one per kind of part; empty if it is not installed.

        Raises PackError if one of a set in the models folder, or what may be one, is damaged.
        """
        chosen: dict[str, Pack] = {}
        for pack in self.packs:
            if set_of(pack) == name and pack.header.kind in kinds:
                chosen.setdefault(pack.header.kind, pack)
        if not all(_is_shipped(pack.path) for pack in chosen.values()) or not chosen:
            for kind in [kind for kind in kinds if kind not in chosen]:
                for fault in self._find_damaged(kind):
                    raise PackError(fault.why)
        return list(chosen.values())

    def in_the_way(self, kind: str) -> list[Fault]:
        """Damaged packs that keep a run without a named pack from having one for this kind."""
        return [] if self._of(kind, TRAINED) else self._find_damaged(kind)

    def list_passed_over(self) -> list[str]:
        """A sentence on each damaged file that a run goes on without.

        It could be for any kind of part, or for none, or another pack takes its place.
        """
        sound = [kind for kind in PART_KINDS if not self.in_the_way(kind)]
        replaced = [fault for kind in sound for fault in self._find_damaged(kind)]
        return [f"Skipped: {one.why}" for one in self.faults if not one.kind or one in replaced]

    def without(self, kinds: Sequence[str], how: str = "", demo: str = "`--pack demo`") -> str:
        """One sentence on those of these kinds that have no trained pack; "" if all have one.

        how   how to get them; demo  what names the demo pack. The defaults are a command line's.
        """
        lacking = [kind for kind in kinds if not self._of(kind, TRAINED)]
        if not lacking:
            return ""
        demos = [kind for kind in lacking if self._of(kind, DEMO)]
        if not set(lacking) <= set(list_released()):
            how = f"`{command('train', '-h')}` says how to train them"
        how = how or f"`{command('setup', OFFICIAL)}` makes them from the released checkpoints"
        shows = f", and {demo} demonstrates the method on rendered {_and(demos)}" if demos else ""
        return (
            f"No trained pack for {_and(lacking)} is installed, so they are left alone: "
            f"{how}{shows}."
        )

    def _find_damaged(self, kind: str) -> list[Fault]:
        """Damaged packs for this kind that may be trained ones."""
        return [
            fault
            for fault in self.faults
            if fault.kind == kind and fault.weights in ("", TRAINED) and not _is_shipped(fault.path)
        ]

    def _for(self, kind: str) -> list[Pack]:
        return [pack for pack in self.packs if pack.header.kind == kind]

    def _of(self, kind: str, weights: str) -> list[Pack]:
        return [pack for pack in self._for(kind) if pack.header.weights == weights]


def demo_pack(kind: str) -> Path:
    """Where the demo pack of a kind of part is shipped, if there is one."""
    return EMBEDDED / f"demo-{kind}.safetensors"


def models_folder() -> Path:
    """The folder searched for packs: $REALISHUMAN_MODELS, or the user's data folder."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "realishuman"


def models_dir(folder: Path) -> Path | None:
    """What an advised command passes as --models-dir: None for the folder it uses anyway."""
    return None if folder == models_folder() else folder


def files(folder: Path) -> list[Path]:
    """What may be packs: safetensors files of this folder and then the shipped ones."""
    return [path for place in (folder, EMBEDDED) for path in sorted(place.glob("*.safetensors"))]


def find_installed(folder: Path | None = None, *, thorough: bool = False) -> Installed:
    """Look at every .safetensors file in the folder and among the shipped ones.

    thorough  read all of their numbers, which may be gigabytes, instead of a few of each tensor.
    """
    packs, faults = [], []
    folder = folder or models_folder()
    if folder.exists() and not folder.is_dir():
        why = f"{folder} is a file; name a folder in {ENVIRONMENT}."
        faults.append(Fault(folder, "", "", why))
    for path in files(folder):
        try:
            pack = Pack.open(path)
            check_quickly(pack)
            if thorough:
                pack.check_all()
            packs.append(pack)
        except PackError as error:
            faults.append(Fault(path, *_guess_header(path), str(error)))
    packs.sort(key=lambda pack: _RANK.index(pack.header.weights))
    return Installed(folder, tuple(packs), tuple(faults))


def set_of(pack: Pack) -> str:
    """The name that packs of one origin share: that of the pack without its kind."""
    return pack.header.name.removesuffix(f"-{pack.header.kind}")


def _guess_header(path: Path) -> tuple[str, str]:
    """Kind and weights of a damaged pack, as far as its header or its name tells."""
    try:
        header = json.loads(metadata_of(path)[METADATA_KEY])
        kind, weights = header.get("kind"), header.get("weights")
    except (PackError, KeyError, ValueError, AttributeError):
        kind = weights = None
    named = [one for one in PART_KINDS if one in path.name.lower()]
    if kind not in PART_KINDS:
        kind = named[0] if len(named) == 1 else ""
    return kind, weights if weights in _RANK else ""


def _names(path: Path) -> tuple[str, ...]:
    """What a user may call a pack file."""
    return path.name, path.stem, str(path)


def _is_shipped(path: Path) -> bool:
    return path.parent == EMBEDDED


def _and(kinds: Sequence[str]) -> str:
    return " and ".join(plural(kind) for kind in kinds)
