"""What the tab's buttons do: plain values in, plain values out; gradio is only in tab.

Each action reads what the page holds, takes one step on the tab's bench and shows what became of
it. Every browser tab has a token, under which its bench lies.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ParamSpec

import numpy as np
from PIL import Image

from realishuman.errors import RealisHumanError, SettingsError
from realishuman.progress import Interrupted, Progress
from realishuman.settings import Settings
from realishuman.webui.foreign import Values
from realishuman.webui.generation.script import explain
from realishuman.webui.host.engine import BoundEngine
from realishuman.webui.notes import note
from realishuman.webui.tab.bench import (
    Bench,
    brush,
    describe_kept,
    digest_of,
    keep_parts,
    open_picture,
    pick_try,
    redraw_ring,
    refine_parts,
)
from realishuman.webui.tab.benches import Benches, Current
from realishuman.webui.tab.boxes import parse_lines
from realishuman.webui.tab.editing import apply_lines, carry_ticks
from realishuman.webui.tab.orders import Brush, Keep, Move, Pick, parse_order
from realishuman.webui.tab.page_update import (
    PageUpdate,
    add_outcome,
    numbers_of,
    show_nothing,
    show_parts,
    show_ring,
)

GONE = "The picture is no longer in memory or was changed: press Find parts."
NO_PICTURE = "Load a picture first, or send one from another tab."
NOTHING = "No part was found. Draw a box around one on the picture; it is used exactly as drawn."
STOPPED = "Interrupted: nothing was changed."
Given = ParamSpec("Given")


def _say_why_not(action: Callable[Given, PageUpdate]) -> Callable[Given, PageUpdate]:
    """An action that is stopped or refused changes nothing but the note."""

    @functools.wraps(action)
    def answer(*given: Given.args, **named: Given.kwargs) -> PageUpdate:
        try:
            return action(*given, **named)
        except Interrupted:
            return PageUpdate(note=note(STOPPED))
        except RealisHumanError as error:
            return PageUpdate(note=note(str(error), "error"))
        except Exception as error:  # noqa: BLE001 - gradio would show "Error" and no more
            return PageUpdate(note=note(explain(error), "error"))

    return answer


def _obey(bench: Bench, order: Keep | Pick | Brush) -> Bench:
    """The bench after an order. SettingsError if it names what is not there."""
    if isinstance(order, Keep):
        return keep_parts(bench, order.numbers)
    if isinstance(order, Pick):
        return pick_try(bench, order.number, order.at)
    if not 1 <= order.number <= len(bench.parts):
        raise SettingsError(f"there is no part {order.number}; reload the page.")
    before = bench.found.parts[order.number - 1].strokes
    return brush(bench, order.number, (*before, order.stroke) if order.stroke else ())


@dataclass
class Actions:
    """The tab's actions over one engine.

    bind    the engine and the picture's settings, as the values of the components say.
    turn    the host's queue lock: nothing else runs inside.
    write_infotext  makes the infotext of a picture from the one it came with and our keys and
            values.
    """

    bind: Callable[[Values], tuple[BoundEngine, Settings]]
    turn: Callable[[], AbstractContextManager[None]]
    write_infotext: Callable[[Image.Image | None, Mapping[str, str]], str]
    benches: Benches = field(default_factory=Benches)

    @_say_why_not
    def receive(
        self, token: str | None, image: Image.Image | None, search: bool, values: Values
    ) -> PageUpdate:
        """Another picture came: nothing of the old one may stay; look for parts if asked to."""
        if image is None or not search:
            return self.forget(token)
        return self.find(token, image, values)

    @_say_why_not
    def find(self, token: str | None, image: Image.Image | None, values: Values) -> PageUpdate:
        """Look for parts everywhere."""
        if image is None:
            return self.forget(token, NO_PICTURE)
        self.benches.drop(token)  # a run that still has it will look for parts itself
        engine, settings = self.bind(values)
        with self.turn():
            bench = open_picture(np.asarray(image), engine, settings)
        text = " ".join(bench.found.hints) if bench.parts else NOTHING
        return show_parts(self.benches.begin(bench), bench.fit, note(text), new=True)

    @_say_why_not
    def apply_boxes(
        self,
        token: str | None,
        text: str,
        ticked: Sequence[str],
        image: Image.Image | None,
        values: Values,
    ) -> PageUpdate:
        """Take the boxes as they were edited; new ones are ticked if what is in them is sure."""
        engine, settings = self.bind(values)
        with self.turn():
            bench = self.benches.get(token)  # a run before us may have changed it
            if bench is None:
                return PageUpdate(note=note(GONE, "error"))
            changed, refused = apply_lines(bench, parse_lines(text), engine, settings)
            now = self.benches.add(token or "", changed)
        now_ticked, remarks = carry_ticks(bench, numbers_of(ticked), changed)
        said = note(" ".join(refused), "error") + note(" ".join(remarks))
        return self._show(now, now_ticked, image, said)

    @_say_why_not
    def redraw(self, token: str | None, ticked: Sequence[str], values: Values) -> PageUpdate:
        """Draw the ring for these settings and ticks; nothing is searched.

        It does not wait for its turn, so a run may end meanwhile: then its bench is drawn.
        """
        engine, settings = self.bind(values)
        while (bench := self.benches.get(token)) is not None:
            changed = redraw_ring(bench, engine, settings)
            if now := self.benches.swap(token, bench, changed):
                return show_ring(now, numbers_of(ticked), bench)
        return PageUpdate()

    @_say_why_not
    def refine(
        self,
        token: str | None,
        image: Image.Image | None,
        ticked: Sequence[str],
        values: Values,
        progress: Progress | None = None,
    ) -> PageUpdate:
        """Repaint the ticked parts; without a search before, search first and take all that fit.

        The caller holds the host's turn.
        """
        if image is None:
            return self.forget(token, NO_PICTURE)
        engine, settings = self.bind(values)
        bench, chosen = self.benches.get(token), numbers_of(ticked)
        new = bench is None or bench.digest != digest_of(np.asarray(image))
        if bench is None or new:
            bench = open_picture(np.asarray(image), engine, settings, progress)
            token, chosen = self.benches.begin(bench).token, bench.fit
        bench = refine_parts(bench, engine, settings, chosen, progress)
        now = self.benches.add(token or "", bench)
        said = (bench.result.message, *bench.result.notes) if bench.result else ()
        return self._show(now, chosen, image, note(" ".join(said)), new=new)

    @_say_why_not
    def change(
        self,
        token: str | None,
        text: str,
        ticked: Sequence[str],
        image: Image.Image | None,
        values: Values,
    ) -> PageUpdate:
        """Do what the viewer asks for; nothing is sampled. See orders.parse_order."""
        order = parse_order(text)
        while (bench := self.benches.get(token)) is not None:
            if isinstance(order, Move):
                now = self._move(token, order, values)
            else:
                now = self.benches.add_after(token, bench, _obey(bench, order))
            if now is not None:
                left = carry_ticks(bench, numbers_of(ticked), now.bench)[0]
                return self._show(now, left, image)
        return PageUpdate(note=note(GONE, "error"))

    def forget(self, token: str | None, text: str = "") -> PageUpdate:
        """Nothing of a picture may stay on the page."""
        self.benches.drop(token)
        return show_nothing(note(text))

    def _move(self, token: str | None, order: Move, values: Values) -> Current | None:
        """Take a step back or forth; the ring follows the sliders, which stay where they are."""
        now = self.benches.move(token, order.forth)
        if now is None:
            return None
        fresh = redraw_ring(now.bench, *self.bind(values))
        return self.benches.swap(token, now.bench, fresh) or now

    def _show(
        self,
        now: Current,
        ticked: Collection[int],
        image: Image.Image | None,
        said: str = "",
        *,
        new: bool = False,
    ) -> PageUpdate:
        """The page of a bench, with its result if there is one; `said` is HTML."""
        update = show_parts(now, ticked, said, new=new)
        if now.bench.result is None and not now.bench.patches:
            return update
        text = self.write_infotext(image, describe_kept(now.bench, now.bench.kept))
        return add_outcome(update, now.bench, text)
