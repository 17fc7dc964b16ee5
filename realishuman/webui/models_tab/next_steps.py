"""What a new user needs to know of models, in three lines: what works, what is missing, and how."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from realishuman.kinds import plural
from realishuman.pipeline.engines import engine_of
from realishuman.settings import AUTO, PART_KINDS
from realishuman.webui.models_tab.page import ModelFile

MAKE = "Make packs from the official files"  # headings that are pointed to
DOWNLOAD = "Download"
FILES = "All files"
_HINT = "; see the Models page"  # in sentences that lead here


def next_steps(files: Sequence[ModelFile], sentence: str) -> str:
    """As HTML.

    sentence  what a run with every choice at its default does.
    """
    lines = [f"Now: {sentence.replace(_HINT, '')}"] if sentence else []
    bad = [one.name for one in files if one.status in ("broken", "wrong")]
    lacking = [kind for kind in PART_KINDS if not _has_pack(kind, files)]
    alone = [kind for kind in lacking if not engine_of(kind, AUTO, False)]
    if bad:
        lines.append(f"Damaged: {', '.join(bad)}. {FILES}, below, says what to do.")
    if alone:
        kinds = " and ".join(map(plural, alone))
        lines.append(
            f"To repaint {kinds}, or everything in the style of your checkpoint: choose Repaint "
            "with: the loaded checkpoint. Nothing has to be downloaded for that."
        )
    if lacking:
        lines.append(
            f"To repaint as in the paper: open {MAKE}, name the folder with its authors' files, "
            "and press Check; it says which are missing and where to get them."
        )
    elif not bad:
        lines.append("Nothing is missing.")
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="rh-next">{items}</ul>'


def _has_pack(kind: str, files: Sequence[ModelFile]) -> bool:
    trained = [one for one in files if one.weights == "trained" and one.status == "there"]
    return any(plural(kind) in one.purpose for one in trained)
