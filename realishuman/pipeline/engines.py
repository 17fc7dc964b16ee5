"""Which engine repaints a kind of part, by the setting `engine` and the packs in use.

Opens nothing, so that it can be said before a run.
"""

from __future__ import annotations

from collections.abc import Mapping

from realishuman.kinds import KINDS, plural
from realishuman.settings import AUTO, CHECKPOINT, HANDREFINER, PACK, TRANSPLANT

NO_CHECKPOINT = "No checkpoint is named: name one with --checkpoint FILE."


def engine_of(kind: str, wish: str, has_pack: bool, has_checkpoint: bool = False) -> str:
    """PACK, CHECKPOINT, one of the kind's own engines, or "" where nothing repaints this kind.

    wish            the setting `engine`. AUTO takes the first that can, in this order.
    has_pack        whether a pack for the kind is in use.
    has_checkpoint  whether there is a checkpoint that can repaint and may.
    """
    if has_pack and wish in (AUTO, PACK):
        return PACK
    if has_checkpoint and wish in (AUTO, CHECKPOINT):
        return CHECKPOINT
    own = KINDS[kind].engines
    if wish == AUTO:
        return next(iter(own), "")
    return wish if wish in own else ""


def why_left_alone(
    kind: str, wish: str, lacking: Mapping[str, str], no_checkpoint: str = ""
) -> str:
    """Why nothing repaints this kind, as a sentence.

    lacking        by kind, a sentence on the pack that is not there and how to get one.
    no_checkpoint  why there is no checkpoint that can repaint, as a sentence.
    """
    able = " and ".join(one.plural for one in KINDS.values() if wish in one.engines)
    if wish == HANDREFINER and wish not in KINDS[kind].engines:
        return f"HandRefiner repairs {able} only, so {plural(kind)} are left alone."
    if wish in (CHECKPOINT, HANDREFINER):
        return no_checkpoint or NO_CHECKPOINT
    if wish == TRANSPLANT:
        return (
            f"The transplant repairs {able} only, so {plural(kind)} are left alone: choose the "
            "engine auto or pack to repair them with a pack."
        )
    return lacking.get(kind, f"No pack for {plural(kind)} is in use, so they are left alone.")
