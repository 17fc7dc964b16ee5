"""What the page shows of a bench: the viewer, the ticks, the boxes, the result and its text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from realishuman.webui.tab import markup
from realishuman.webui.tab.bench import Bench, paste_kept
from realishuman.webui.tab.benches import Current
from realishuman.webui.tab.boxes import as_text
from realishuman.webui.tab.view import describe, draw_meshes


@dataclass(frozen=True)
class PageUpdate:
    """What changes on the page after an action; None leaves a component as it is.

    token   of the bench; "" where there is none any more.
    view    the parts, as view.describe gives them; meshes, before and after are pictures in HTML.
    ticks   all parts by name and which of them are ticked.
    result  the picture as it would be saved; text its infotext, which it also carries.
    """

    token: str | None = None
    view: str | None = None
    meshes: str | None = None
    before: str | None = None
    after: str | None = None
    ticks: tuple[list[str], list[str]] | None = None
    boxes: str | None = None
    result: Image.Image | None = None
    text: str | None = None
    note: str = ""


def show_parts(
    now: Current, ticked: Collection[int], note: str, *, new: bool = False
) -> PageUpdate:
    """Everything about the parts; the note is HTML.

    new  whether the picture is new to the page.
    """
    bench = now.bench
    names = name_parts(bench, range(1, len(bench.parts) + 1))
    return PageUpdate(
        token=now.token,
        view=describe(bench, ticked, now.undo, now.redo),
        meshes=draw_meshes(bench),
        before=markup.picture(bench.rgb) if new else None,
        after="" if bench.result is None and not bench.patches else None,
        ticks=(names, [names[number - 1] for number in sorted(ticked)]),
        boxes=as_text(bench.parts),
        note=note,
    )


def show_ring(now: Current, ticked: Collection[int], before: Bench) -> PageUpdate:
    """What settings change before anything is refined: the rings, and what will be done."""
    pairs = zip(now.bench.prepared, before.prepared, strict=True)
    same = all(new.pose is old.pose for new, old in pairs)
    view = describe(now.bench, ticked, now.undo, now.redo)
    return PageUpdate(view=view, meshes=None if same else draw_meshes(now.bench))


def add_outcome(update: PageUpdate, bench: Bench, text: str) -> PageUpdate:
    """The update with the picture in which the kept parts are refined, and its infotext."""
    pixels = paste_kept(bench, bench.kept)
    picture = Image.fromarray(pixels)
    picture.info["parameters"] = text  # the host writes it into the files it makes
    return replace(update, after=markup.picture(pixels), result=picture, text=text)


def show_nothing(note: str) -> PageUpdate:
    """The page without a picture; the note is HTML."""
    return PageUpdate(
        token="", view="", meshes="", before="", after="", ticks=([], []), boxes="", note=note
    )


def name_parts(bench: Bench, numbers: Collection[int]) -> list[str]:
    """What parts are called beside their boxes to tick: "1 right hand"."""
    return [f"{number} {bench.parts[number - 1].name}" for number in numbers]


def numbers_of(names: Sequence[str]) -> list[int]:
    """The inverse of name_parts."""
    return [int(name.split()[0]) for name in names]
