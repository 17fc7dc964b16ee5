"""Which packs a run gets, and what is to be said of those that it does not get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from realishuman.errors import PackError
from realishuman.packs.pack import Pack
from realishuman.packs.store import Installed
from realishuman.pipeline.engines import engine_of
from realishuman.settings import AUTO, PACK, PART_KINDS

HOW = "the Models page says how to get them"
BY_NAME = 'the pack choice "demo"'


def choose_packs(there: Installed, packs: Mapping[str, str], kinds: Sequence[str]) -> list[Pack]:
    """One pack per kind of part, where there is one."""
    chosen = []
    for kind in PART_KINDS:
        try:
            pack = there.pick(kind, packs.get(kind, AUTO))
        except PackError:
            if kind in kinds:
                raise
            continue
        if pack is not None:
            chosen.append(pack)
    return chosen


def list_remarks(
    there: Installed, packs: Mapping[str, str], kinds: Sequence[str]
) -> tuple[str, ...]:
    """What is passed over of the packs that nobody named."""
    automatic = any(packs.get(kind, AUTO) == AUTO for kind in kinds)
    return tuple(there.list_passed_over()) if automatic else ()


def explain_lacking(
    there: Installed, packs: Mapping[str, str], kinds: Sequence[str]
) -> dict[str, str]:
    """By kind of part without a trained pack, where none is named, how to get one."""
    automatic = [kind for kind in kinds if packs.get(kind, AUTO) == AUTO]
    sound = [kind for kind in automatic if not there.in_the_way(kind)]
    return {kind: why for kind in sound if (why := there.without([kind], HOW, BY_NAME))}


def keep_packed(kinds: Sequence[str], engine: str) -> list[str]:
    """Those of these kinds that a pack repaints where there is one: their packs must be sound."""
    return [kind for kind in kinds if engine_of(kind, engine, True) == PACK]
