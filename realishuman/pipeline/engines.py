"""Which engine repaints a kind of part, by the setting `engine` and the packs in use.

Opens nothing, so that it can be said before a run.
"""

from __future__ import annotations

from collections.abc import Mapping

from realishuman.settings import AUTO, PACK, TRANSPLANT

TRANSPLANTED = ("hand",)  # kinds of part that the transplant repairs


def engine_of(kind: str, wish: str, has_pack: bool) -> str:
    """PACK, TRANSPLANT, or "" where nothing repaints this kind.

    wish      the setting `engine`. AUTO takes a pack before the transplant.
    has_pack  whether a pack for the kind is in use.
    """
    if has_pack and wish in (AUTO, PACK):
        return PACK
    if kind in TRANSPLANTED and wish in (AUTO, TRANSPLANT):
        return TRANSPLANT
    return ""


def why_left_alone(kind: str, wish: str, lacking: Mapping[str, str]) -> str:
    """Why nothing repaints this kind, as a sentence.

    lacking  by kind, a sentence on the pack that is not there and how to get one.
    """
    if wish == TRANSPLANT:
        able = " and ".join(f"{one}s" for one in TRANSPLANTED)
        return (
            f"The transplant repairs {able} only, so {kind}s are left alone: choose the engine "
            "auto or pack to repair them with a pack."
        )
    return lacking.get(kind, f"No pack for {kind}s is in use, so they are left alone.")
