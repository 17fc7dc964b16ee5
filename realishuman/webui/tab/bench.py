"""What one open tab works on: a picture, its parts, and what was repainted so far.

A Bench never changes; each step returns a new one, so two tabs cannot disturb each other. Refined
parts stay on the bench as patches: keeping or discarding one pastes anew and samples nothing.

    open_picture -> redraw_ring, replace_parts -> refine_parts -> keep_parts -> paste_kept
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.errors import SettingsError
from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import gather
from realishuman.imaging.loaded import as_rgb
from realishuman.imaging.paste import Patch, PixelPatch, compose
from realishuman.parts.found import Found
from realishuman.parts.prepare import PreparedPart, with_ring
from realishuman.parts.strokes import Stroke
from realishuman.pipeline.infotext import PREFIX, facts_of
from realishuman.pipeline.look import prepare_parts
from realishuman.pipeline.result import Result, Stopped, Try
from realishuman.progress import Progress
from realishuman.settings import Settings
from realishuman.webui.generation.infotext import settings_of
from realishuman.webui.host.engine import BoundEngine

Pixels = NDArray[np.uint8]
MOST_TRIES = 12  # of a part, that are remembered
THUMB = 128  # pixels of the side of a small picture
INTERRUPTED = "Interrupted: what was done before is kept."
RESULT, FOUND = f"{PREFIX}result", f"{PREFIX}found"


@dataclass(frozen=True)
class SeenTry:
    """A try at a part, and how it looks.

    thumb  (N, N, 3) uint8, the crop with it pasted, small.
    """

    patch: Patch | PixelPatch
    seed: int | None
    reason: str
    thumb: Pixels


@dataclass(frozen=True)
class Bench:
    """A picture on which parts were looked for.

    digest    of the pixels, to notice another picture.
    rgb       (H, W, 3) uint8; alpha (H, W) uint8 or None.
    settings  what the parts were prepared with.
    left_alone  kinds of part that nothing repaints, and why, as a sentence.
    prepared  every part, ticked or not, in the order of their numbers.
    patches   refined parts, oldest first, at most one per number.
    kept      numbers of those that are kept.
    tries     by number of a part all that was painted, the latest last.
    result    of the latest run, None before it.
    facts     infotext keys and values of that run.
    """

    digest: str
    rgb: Pixels
    alpha: Pixels | None
    settings: Settings
    found: Found
    prepared: tuple[PreparedPart, ...]
    left_alone: Mapping[str, str]
    patches: tuple[Patch | PixelPatch, ...] = ()
    kept: tuple[int, ...] = ()
    tries: Mapping[int, tuple[SeenTry, ...]] = field(default_factory=dict)
    result: Result | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> list[Part]:
        """The parts in the order of their numbers."""
        return [one.part for one in self.found.parts]

    @property
    def fit(self) -> list[int]:
        """Numbers of the parts that nothing speaks against."""
        return [one.number for one in self.found.chosen]

    @property
    def refined(self) -> list[int]:
        """Numbers of the parts that have been refined."""
        return sorted(number for patch in self.patches for number in patch.numbers)


def digest_of(image: NDArray[np.generic]) -> str:
    """A short name of these pixels."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def open_picture(
    image: NDArray[np.generic],
    engine: BoundEngine,
    settings: Settings,
    progress: Progress | None = None,
) -> Bench:
    """Look for parts everywhere. `image` is whatever imaging.picture.as_rgb takes."""
    rgb, alpha = as_rgb(image)
    if alpha is not None and (alpha == 255).all():
        alpha = None
    found = engine.find(rgb, settings, progress=progress)
    ready = _prepare_all(rgb, found, settings, engine)
    left = engine.left_alone(settings)
    return Bench(digest_of(image), rgb, alpha, settings, found, ready, left)


def redraw_ring(bench: Bench, engine: BoundEngine, settings: Settings) -> Bench:
    """The bench with masks for these settings; renders only if more than the ring changed."""
    ring = {
        spec.name: getattr(settings, spec.name)
        for spec in fields(settings)
        if spec.name.endswith(("dilate", "erode"))
    }
    if replace(bench.settings, **ring) == settings:
        ready = tuple(with_ring(one, settings) for one in bench.prepared)
    else:
        ready = _prepare_all(bench.rgb, bench.found, settings, engine)
    left = engine.left_alone(settings)
    return replace(bench, settings=settings, prepared=ready, left_alone=left)


def refine_parts(
    bench: Bench,
    engine: BoundEngine,
    settings: Settings,
    chosen: Collection[int],
    progress: Progress | None = None,
) -> Bench:
    """Repaint the ticked parts, also those that would have been left alone; others keep theirs.

    What was done before the user stopped it is kept. Interrupted if that is nothing.
    """
    kinds = bench.found.kinds or settings.parts
    found = bench.found.give_reasons(dict.fromkeys(chosen, ""))
    wanted = replace(settings, parts=kinds)
    try:
        result = engine.refine(bench.rgb, wanted, found=found, only=chosen, progress=progress)
    except Stopped as stop:
        result = replace(stop.result, notes=(INTERRUPTED, *stop.result.notes))
    new = {number for patch in result.patches for number in patch.numbers}
    older = tuple(patch for patch in bench.patches if new.isdisjoint(patch.numbers))
    return replace(
        bench,
        settings=settings,
        left_alone=engine.left_alone(settings),
        patches=older + result.patches,
        kept=tuple(sorted({*bench.kept, *new})),
        tries=_add_tries(bench, result, settings),
        result=result,
        facts=_state_facts(result, engine, settings),
    )


def brush(bench: Bench, number: int, strokes: Sequence[Stroke]) -> Bench:
    """The bench with a part's strokes in place of those it had; nothing is searched or sampled."""
    found = bench.found.with_strokes({number: tuple(strokes)})
    now = {one.number: one for one in found.parts}
    ready = (
        replace(one, found=now[one.number], joined=tuple(now[each.number] for each in one.joined))
        for one in bench.prepared
    )
    prepared = tuple(with_ring(one, bench.settings) for one in ready)
    return replace(bench, found=found, prepared=prepared)


def keep_parts(bench: Bench, numbers: Collection[int]) -> Bench:
    """The bench with these of the refined parts kept, the others discarded; nothing is sampled."""
    return replace(bench, kept=tuple(one for one in bench.refined if one in numbers))


def pick_try(bench: Bench, number: int, at: int) -> Bench:
    """The bench with another of the tries at a part, also one that the judge refused.

    Raises SettingsError if there is no such try.
    """
    tries = bench.tries.get(number, ())
    if not 0 <= at < len(tries):
        raise SettingsError(f"part {number} has {len(tries)} tries; reload the page.")
    patch = tries[at].patch
    others = tuple(one for one in bench.patches if set(one.numbers).isdisjoint(patch.numbers))
    kept = tuple(sorted({*bench.kept, *patch.numbers}))
    return replace(bench, patches=(*others, patch), kept=kept)


def paste_kept(bench: Bench, kept: Collection[int]) -> Pixels:
    """The picture (H, W, 3 or 4) with the kept ones of the refined parts; nothing is sampled."""
    patches = [patch for patch in bench.patches if not set(patch.numbers).isdisjoint(kept)]
    ways = bench.settings.ways
    output = compose(bench.rgb, patches, feather=ways.paste, colour_match=ways.colour_match)
    return output if bench.alpha is None else np.dstack([output, bench.alpha])


def replace_parts(bench: Bench, found: Found, engine: BoundEngine, settings: Settings) -> Bench:
    """The bench with other parts; of what was refined nothing is kept."""
    ready = _prepare_all(bench.rgb, found, settings, engine)
    return replace(
        bench,
        settings=settings,
        found=found,
        prepared=ready,
        left_alone=engine.left_alone(settings),
        patches=(),
        kept=(),
        tries={},
        result=None,
    )


def describe_kept(bench: Bench, kept: Collection[int]) -> dict[str, str]:
    """The infotext of the latest run when only these refined parts are kept."""
    reports = {one.index: one for one in (bench.result.parts if bench.result else ())}
    fates = []
    for number, part in enumerate(bench.parts, start=1):
        reason = reports[number].reason if number in reports else ""
        fate = f"kept: {reason}" if reason else "kept"
        if number in bench.refined:
            fate = "refined" if number in kept else "discarded"
        fates.append(f"{number} {part.name} {fate}")
    count = f"{len(kept)} of {len(fates)} parts refined."
    result = re.sub(r"^\d+ of \d+ parts refined\.", count, bench.facts.get(RESULT, ""))
    return {**bench.facts, RESULT: result, FOUND: "; ".join(fates)}


def _add_tries(bench: Bench, result: Result, settings: Settings) -> dict[int, tuple[SeenTry, ...]]:
    """All tries by part, with those of a run; of each part only so many, the latest."""
    boxes = {one.number: one.crop.box for one in bench.prepared}
    tries = dict(bench.tries)
    for number, made in result.tries.items():
        new = [_see_try(bench.rgb, one, boxes[number], settings) for one in made]
        old = [one for one in tries.get(number, ()) if not any(_alike(one, each) for each in new)]
        tries[number] = (*old, *new)[-MOST_TRIES:]
    return tries


def _alike(one: SeenTry, other: SeenTry) -> bool:
    return one.seed == other.seed and bool((one.thumb == other.thumb).all())


def _see_try(rgb: Pixels, one: Try, box: Box, settings: Settings) -> SeenTry:
    ways = settings.ways
    pasted = compose(rgb, [one.patch], feather=ways.paste, colour_match=ways.colour_match)
    rows = np.arange(round(box.y0), round(box.y1), dtype=np.intp)
    columns = np.arange(round(box.x0), round(box.x1), dtype=np.intp)
    crop = gather(pasted, rows, columns, "reflect")
    small = cv2.resize(crop, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return SeenTry(one.patch, one.seed, one.reason, np.asarray(small, np.uint8))


def _state_facts(result: Result, engine: BoundEngine, settings: Settings) -> dict[str, str]:
    """Infotext of a run: settings that are not the default, seed, packs, provider."""
    pairs = {**settings_of(engine.choices), f"{PREFIX}seed": str(settings.seed)}
    facts = facts_of(result, engine.models())
    return {**pairs, **{PREFIX + name: value for name, value in facts.items() if value}}


def _prepare_all(
    rgb: Pixels, found: Found, settings: Settings, engine: BoundEngine
) -> tuple[PreparedPart, ...]:
    """All parts, ticked or not, in the order of their numbers."""
    return tuple(prepare_parts(rgb, found, found.parts, settings, engine.models()))
