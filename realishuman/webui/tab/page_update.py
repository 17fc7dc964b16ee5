"""What the page shows of a bench: the preview, the ticks, the tables, the result and its text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from realishuman.drawing.annotated import LEAST, annotate
from realishuman.webui.tab import markup
from realishuman.webui.tab.bench import Bench, paste_kept
from realishuman.webui.tab.boxes import as_text


@dataclass(frozen=True)
class PageUpdate:
    """What changes on the page after an action; None leaves a component as it is.

    ticks   all parts by name and which of them are ticked; kept likewise for refined parts.
    result  the picture as it would be saved; text its infotext, which it also carries.
    """

    token: str | None = None
    stage: str | None = None
    ticks: tuple[list[str], list[str]] | None = None
    boxes: str | None = None
    table: str | None = None
    comparison: str | None = None
    kept: tuple[list[str], list[str]] | None = None
    result: Image.Image | None = None
    text: str | None = None
    note: str = ""


def show_parts(token: str, bench: Bench, ticked: Collection[int], note: str) -> PageUpdate:
    """Everything about the parts; the note is HTML."""
    names = name_parts(bench, range(1, len(bench.parts) + 1))
    refined = name_parts(bench, bench.refined)
    return PageUpdate(
        token=token,
        stage=_draw_stage(bench, ticked),
        ticks=(names, [names[number - 1] for number in sorted(ticked)]),
        boxes=as_text(bench.parts),
        table=_list_parts(bench),
        kept=(refined, refined),
        note=note,
    )


def show_ring(bench: Bench, ticked: Collection[int]) -> PageUpdate:
    """What settings change before anything is refined: the preview, and what will be done."""
    return PageUpdate(stage=_draw_stage(bench, ticked), table=_list_parts(bench))


def add_outcome(update: PageUpdate, bench: Bench, kept: Collection[int], text: str) -> PageUpdate:
    """The update with the picture in which these refined parts are kept, and its infotext."""
    pixels = paste_kept(bench, kept)
    picture = Image.fromarray(pixels)
    picture.info["parameters"] = text  # the host writes it into the files it makes
    comparison = markup.comparison(bench.rgb, pixels)
    return replace(update, comparison=comparison, result=picture, text=text)


def show_nothing(note: str) -> PageUpdate:
    """The page without a picture; the note is HTML."""
    return PageUpdate(
        stage=markup.HINT,
        ticks=([], []),
        boxes="",
        table="",
        comparison="",
        kept=([], []),
        note=note,
    )


def name_parts(bench: Bench, numbers: Collection[int]) -> list[str]:
    """What parts are called beside their boxes to tick: "1 right hand"."""
    return [f"{number} {bench.parts[number - 1].name}" for number in numbers]


def numbers_of(names: Sequence[str]) -> list[int]:
    """The inverse of name_parts."""
    return [int(name.split()[0]) for name in names]


def _draw_stage(bench: Bench, ticked: Collection[int]) -> str:
    """The picture with all that was found drawn on it, and its boxes to move."""
    view = annotate(bench.rgb, bench.found, bench.prepared, ticked, least=LEAST)
    height, width = bench.rgb.shape[:2]
    return markup.stage(view, (height, width), bench.parts)


def _list_parts(bench: Bench) -> str:
    reports = bench.result.parts if bench.result else ()
    return markup.part_list(bench.found.parts, reports, bench.left_alone)
