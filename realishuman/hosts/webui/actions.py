"""What the tab's buttons do: plain values in, plain values out; gradio is only in tab.

Each browser tab has a token; its picture and parts lie on a bench under that token.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from realishuman.detect.base import Part
from realishuman.errors import RealisHumanError
from realishuman.hosts.webui import bench as benches
from realishuman.hosts.webui import markup
from realishuman.hosts.webui.bench import Bench, Benches
from realishuman.hosts.webui.boxes import as_text, parsed
from realishuman.hosts.webui.editing import edited
from realishuman.hosts.webui.engine import BoundEngine
from realishuman.hosts.webui.infotext import settings_of
from realishuman.infotext import PREFIX, facts_of
from realishuman.progress import Interrupted, Progress
from realishuman.settings import Settings

RESULT, FOUND = f"{PREFIX}result", f"{PREFIX}found"
GONE = "The picture is no longer in memory or was changed: press Find parts."
NO_PICTURE = "Load a picture first, or send one from another tab."
NOTHING = "No part was found. Draw a box around one on the picture: it is taken as you draw it."
STOPPED = "Interrupted: nothing was changed."


@dataclass(frozen=True)
class View:
    """What the page shows after an action; None leaves a component as it is.

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


@dataclass
class Actions:
    """The tab's actions over one engine.

    bind    the engine and the picture's settings, as the values of the components say.
    turn    the host's queue lock: nothing else runs inside.
    written makes the infotext of a picture from the one it came with and our keys and values.
    """

    bind: Callable[[Mapping[str, Any]], tuple[BoundEngine, Settings]]
    turn: Callable[[], AbstractContextManager[Any]]
    written: Callable[[Image.Image | None, Mapping[str, str]], str]
    benches: Benches = field(default_factory=Benches)

    def find(self, token: str | None, image: Image.Image | None, values: Mapping[str, Any]) -> View:
        """Look for parts everywhere."""
        if image is None:
            return self.forget(token, NO_PICTURE)
        try:
            engine, settings = self.bind(values)
            with self.turn():
                bench = benches.opened(np.asarray(image), engine, settings)
                without = engine.kinds_without_pack()
        except RealisHumanError as error:
            return View(note=markup.note(str(error), "error"))
        token = token or secrets.token_hex(8)
        self.benches.put(token, bench)
        text = " ".join(bench.found.hints) if bench.parts else NOTHING
        return _all(token, bench, bench.fit, markup.note(text), without)

    def apply_boxes(
        self,
        token: str | None,
        text: str,
        ticked: Sequence[str],
        values: Mapping[str, Any],
    ) -> View:
        """Take the boxes as they were edited; new ones are ticked if what is in them is sure."""
        try:
            engine, settings = self.bind(values)
            with self.turn():
                bench = self.benches.get(token)  # a run before us may have changed it
                if bench is None:
                    return View(note=markup.note(GONE, "error"))
                changed, refused = edited(bench, parsed(text), engine, settings)
                self.benches.put(str(token), changed)
                without = engine.kinds_without_pack()
        except RealisHumanError as error:
            return View(note=markup.note(str(error), "error"))
        before = {id(bench.parts[number - 1]) for number in _numbers(ticked)}
        known = {id(part) for part in bench.parts}
        chosen, remarks = [], []
        for number, part in enumerate(changed.parts, start=1):
            unsure = "" if id(part) in known else _unsure(number, part, settings)
            if id(part) in before or not (id(part) in known or unsure):
                chosen.append(number)
            remarks += [unsure] if unsure else []
        told = markup.note(" ".join(refused), "error") + markup.note(" ".join(remarks))
        return _all(str(token), changed, chosen, told, without)

    def redraw(self, token: str | None, ticked: Sequence[str], values: Mapping[str, Any]) -> View:
        """Draw the ring for these settings and ticks; nothing is searched.

        It does not wait for its turn, so a run may end meanwhile: then its bench is drawn.
        """
        try:
            engine, settings = self.bind(values)
            while (bench := self.benches.get(token)) is not None:
                changed = benches.ringed(bench, engine, settings)
                if self.benches.swap(str(token), bench, changed):
                    stage = _stage(changed, _numbers(ticked))
                    return View(stage=stage, table=_table(changed, engine.kinds_without_pack()))
        except RealisHumanError as error:
            return View(note=markup.note(str(error), "error"))
        return View()

    def refine(
        self,
        token: str | None,
        image: Image.Image | None,
        ticked: Sequence[str],
        values: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> View:
        """Repaint the ticked parts; without a search before, search first and take all that fit.

        The caller holds the host's turn.
        """
        if image is None:
            return self.forget(token, NO_PICTURE)
        try:
            engine, settings = self.bind(values)
            bench = self.benches.get(token)
            if bench is None or bench.digest != benches.digest_of(np.asarray(image)):
                token = token or secrets.token_hex(8)
                bench = benches.opened(np.asarray(image), engine, settings, progress)
                chosen = bench.fit
            else:
                chosen = _numbers(ticked)
            done = benches.refined(bench, engine, settings, chosen, progress)
            done = replace(done, facts=_facts(done, engine))
            without = engine.kinds_without_pack()
        except Interrupted:
            return View(note=markup.note(STOPPED))
        except RealisHumanError as error:
            return View(note=markup.note(str(error), "error"))
        self.benches.put(str(token), done)
        text = " ".join((done.result.message, *done.result.notes)) if done.result else ""
        view = _all(str(token), done, chosen, markup.note(text), without)
        return replace(view, **self._outcome(done, done.refined, image))

    def keep(self, token: str | None, kept: Sequence[str], image: Image.Image | None) -> View:
        """Paste the refined parts that are to be kept; nothing is sampled."""
        bench = self.benches.get(token)
        if bench is None:
            return View(note=markup.note(GONE, "error"))
        return View(**self._outcome(bench, _numbers(kept), image))

    def forget(self, token: str | None, text: str = "") -> View:
        """Another picture came: nothing of the old one may stay on the page."""
        self.benches.drop(token)
        return View(
            stage=markup.HINT,
            ticks=([], []),
            boxes="",
            table="",
            comparison="",
            kept=([], []),
            note=markup.note(text),
        )

    def _outcome(
        self, bench: Bench, keep: Collection[int], image: Image.Image | None
    ) -> dict[str, Any]:
        pixels = benches.composed(bench, keep)
        picture = Image.fromarray(pixels)
        text = self.written(image, _told(bench, keep))
        picture.info["parameters"] = text  # the host writes it into the files it makes
        return {
            "comparison": markup.comparison(bench.rgb, pixels),
            "result": picture,
            "text": text,
        }


def _all(
    token: str, bench: Bench, chosen: Collection[int], text: str, without: Collection[str]
) -> View:
    names = _names(bench, range(1, len(bench.parts) + 1))
    refined = _names(bench, bench.refined)
    return View(
        token=token,
        stage=_stage(bench, chosen),
        ticks=(names, [names[number - 1] for number in sorted(chosen)]),
        boxes=as_text(bench.parts),
        table=_table(bench, without),
        kept=(refined, refined),
        note=text,
    )


def _table(bench: Bench, without: Collection[str]) -> str:
    reports = bench.result.parts if bench.result else ()
    return markup.part_list(bench.found.parts, reports, without)


def _facts(bench: Bench, engine: BoundEngine) -> dict[str, str]:
    """Infotext of the latest run: settings that are not the default, seed, packs, provider."""
    pairs = {**settings_of(engine.choices), f"{PREFIX}seed": str(bench.settings.seed)}
    facts = facts_of(bench.result, engine.models()) if bench.result else {}
    return {**pairs, **{PREFIX + name: value for name, value in facts.items() if value}}


def _told(bench: Bench, keep: Collection[int]) -> dict[str, str]:
    """The infotext when only these refined parts are kept."""
    reports = {one.index: one for one in (bench.result.parts if bench.result else ())}
    fates = []
    for number, part in enumerate(bench.parts, start=1):
        reason = reports[number].reason if number in reports else ""
        fate = f"kept: {reason}" if reason else "kept"
        if number in bench.refined:
            fate = "refined" if number in keep else "discarded"
        fates.append(f"{number} {part.name} {fate}")
    count = f"{len(keep)} of {len(fates)} parts refined."
    result = re.sub(r"^\d+ of \d+ parts refined\.", count, bench.facts.get(RESULT, ""))
    return {**bench.facts, RESULT: result, FOUND: "; ".join(fates)}


def _unsure(number: int, part: Part, settings: Settings) -> str:
    """Why the part in a new box is not ticked, as a sentence, or "" if it is."""
    least = settings.of(part.kind).confidence
    if part.score >= least:
        return ""
    why = part.note or (
        f"With a score of {part.score:.2f}, below the confidence of {least:g}, what was recognised "
        "may be wrong."
    )
    return f"Part {number} is not ticked. {why} Tick it to see its mesh."


def _stage(bench: Bench, chosen: Collection[int]) -> str:
    height, width = bench.rgb.shape[:2]
    return markup.stage(benches.preview(bench, chosen), (height, width), bench.parts)


def _names(bench: Bench, numbers: Collection[int]) -> list[str]:
    return [f"{number} {bench.parts[number - 1].name}" for number in numbers]


def _numbers(names: Sequence[str]) -> list[int]:
    return [int(name.split()[0]) for name in names]
