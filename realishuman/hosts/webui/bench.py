"""What one open tab works on: a picture, its parts, and what was repainted so far.

A Bench never changes; each step returns a new one, so two tabs cannot disturb each other. Refined
parts stay on the bench as patches: keeping or discarding one pastes anew and samples nothing.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.hosts.webui.engine import BoundEngine
from realishuman.hosts.webui.views import LEAST, annotated
from realishuman.imaging.paste import Patch, compose
from realishuman.imaging.picture import as_rgb
from realishuman.parts.found import Found
from realishuman.parts.prepare import PreparedPart, with_ring
from realishuman.pipeline.look import prepare_parts
from realishuman.progress import Progress
from realishuman.result import Result
from realishuman.settings import Settings

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Bench:
    """A picture on which parts were looked for.

    digest    of the pixels, to notice another picture.
    rgb       (H, W, 3) uint8; alpha (H, W) uint8 or None.
    settings  what the parts were prepared with.
    prepared  every part, ticked or not, in the order of their numbers.
    patches   refined parts, oldest first, at most one per number.
    result    of the latest run, None before it.
    facts     infotext keys and values of that run.
    """

    digest: str
    rgb: Pixels
    alpha: Pixels | None
    settings: Settings
    found: Found
    prepared: tuple[PreparedPart, ...]
    patches: tuple[Patch, ...] = ()
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
        return sorted(patch.index for patch in self.patches)


def digest_of(image: NDArray[np.generic]) -> str:
    """A short name of these pixels."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def opened(
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
    return Bench(digest_of(image), rgb, alpha, settings, found, ready)


def ringed(bench: Bench, engine: BoundEngine, settings: Settings) -> Bench:
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
    return replace(bench, settings=settings, prepared=ready)


def preview(bench: Bench, chosen: Collection[int]) -> Pixels:
    """The picture with everything that was found drawn on it."""
    return annotated(bench.rgb, bench.found, bench.prepared, chosen, least=LEAST)


def refined(
    bench: Bench,
    engine: BoundEngine,
    settings: Settings,
    chosen: Collection[int],
    progress: Progress | None = None,
) -> Bench:
    """Repaint the ticked parts, also those that would have been left alone; others keep theirs."""
    kinds = bench.found.kinds or settings.parts
    result = engine.refine(
        bench.rgb,
        replace(settings, parts=kinds),
        found=bench.found.give_reasons(dict.fromkeys(chosen, "")),
        only=chosen,
        progress=progress,
    )
    new = {patch.index for patch in result.patches}
    older = tuple(patch for patch in bench.patches if patch.index not in new)
    return replace(bench, settings=settings, patches=older + result.patches, result=result)


def composed(bench: Bench, keep: Collection[int]) -> Pixels:
    """The picture (H, W, 3 or 4) with the kept ones of the refined parts; nothing is sampled."""
    patches = [patch for patch in bench.patches if patch.index in keep]
    settings = bench.settings
    output = compose(bench.rgb, patches, feather=settings.paste, colour_match=settings.colour_match)
    return output if bench.alpha is None else np.dstack([output, bench.alpha])


def replaced(bench: Bench, found: Found, engine: BoundEngine, settings: Settings) -> Bench:
    """The bench with other parts; of what was refined nothing is kept."""
    ready = _prepare_all(bench.rgb, found, settings, engine)
    return replace(bench, settings=settings, found=found, prepared=ready, patches=(), result=None)


def _prepare_all(
    rgb: Pixels, found: Found, settings: Settings, engine: BoundEngine
) -> tuple[PreparedPart, ...]:
    """All parts, ticked or not, in the order of their numbers."""
    return tuple(prepare_parts(rgb, found, found.parts, settings, engine.models()))


class Benches:
    """The benches of the tabs that were used last; older ones are let go of."""

    def __init__(self, limit: int = 8) -> None:
        self._limit, self._lock = limit, Lock()
        self._benches: OrderedDict[str, Bench] = OrderedDict()

    def put(self, token: str, bench: Bench) -> None:
        """Remember a tab's bench."""
        with self._lock:
            self._benches[token] = bench
            self._benches.move_to_end(token)
            while len(self._benches) > self._limit:
                self._benches.popitem(last=False)

    def swap(self, token: str, old: Bench, new: Bench) -> bool:
        """Put `new` in the place of `old` unless something else lies there by now."""
        with self._lock:
            if self._benches.get(token) is not old:
                return False
            self._benches[token] = new
            return True

    def get(self, token: str | None) -> Bench | None:
        """The tab's bench, or None if it has none or was let go of."""
        with self._lock:
            if token is None or token not in self._benches:
                return None
            self._benches.move_to_end(token)
            return self._benches[token]

    def drop(self, token: str | None) -> None:
        """Forget a tab's bench."""
        with self._lock:
            self._benches.pop(token or "", None)
