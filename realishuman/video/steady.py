"""Refines a clip steadily: looks at all of it, decides on whole tracks, then paints each frame."""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np

from realishuman.batch.picture import say_error
from realishuman.errors import PackError, SettingsError
from realishuman.judge.trust import distrust
from realishuman.paint.own_skin import TORN
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.pipeline.result import PartReport
from realishuman.presets import PRESETS
from realishuman.progress import Silent
from realishuman.settings import TRANSPLANT, Settings
from realishuman.video.assembly import Assembled, Assembly
from realishuman.video.changes import (
    Change,
    Floats,
    Pixels,
    change_pixels,
    find_changes,
    pack_changes,
    unpack_changes,
    unpack_tones,
)
from realishuman.video.clip import Clip, Frame
from realishuman.video.decisions import Decision, decide, sample
from realishuman.video.journal import Log, rest
from realishuman.video.opening import Pairs
from realishuman.video.sights import pack_seen, see, unpack_seen
from realishuman.video.smoothing import REACH
from realishuman.video.tones import REACH as TONES
from realishuman.video.tones import read_tones, settle, steady_tones
from realishuman.video.tracks import follow
from realishuman.video.wanted import Wanted, Watch

WIDER = (1.6, 2.4)  # times as far outwards as usual a ring may reach where a hand would be torn
MOST = 256  # pixels that the setting dilate allows
RELEASED = "released"  # the preset whose masks hold where nothing else is said
TRIALS = 5  # frames of a span that are painted to hear what the judge says


@dataclass(frozen=True)
class Steady:
    """One clip's run; its passes are done in the order of its methods."""

    clip: Clip
    models: Models
    settings: Settings
    wanted: Wanted
    watch: Watch

    def __post_init__(self) -> None:
        if self.settings.tries > 1 or self.settings.ways.crop == "released":
            raise SettingsError(
                "tries and released crops are for single pictures: they cannot be kept steady over "
                "time. Leave them out, or add --independent."
            )

    def look(self, log: Log) -> None:
        """Find the parts of the frames that have no record yet."""
        for number, frame in rest(self.clip.frames(), log):
            self.watch.frame("looking at", number, self.clip.count)
            seen = see(frame.planes.rgb(), self.models, self.settings, self.wanted.boxes)
            log.append(pack_seen(seen))

    def decide(self, seen: Log) -> list[Decision]:
        """Decide on every track."""
        shown = (unpack_seen(record) for record in seen.read())
        tracks, _ = follow(shown, float(self.clip.rate))
        return [decide(track, float(self.clip.rate), seen.count) for track in tracks]

    def try_out(self, decisions: Sequence[Decision], seen: Log, log: Log) -> list[Decision]:
        """Drop the spans of which the judge refuses most samples."""
        if not self.settings.ways.judge:
            return list(decisions)
        plan: dict[int, set[int]] = defaultdict(set)  # frame -> tracks
        for one in decisions:
            frames = [brief.frame for brief in one.track.briefs]
            for span in one.spans:
                for frame in sample(span, frames, TRIALS):
                    plan[frame].add(one.track.number)
        todo = sorted(plan)[log.count :]
        for frame, rgb, parts in self._frames(decisions, seen, todo):
            self.watch.frame("trying", len(plan) - len(todo) + todo.index(frame) + 1, len(plan))
            reports = self._refine(rgb, parts, self.settings, plan[frame])[1]
            told = {n: reports[n].reason for n in plan[frame] if n in reports}
            log.append(json.dumps(told).encode())
        answers = dict(zip(sorted(plan), map(json.loads, log.read()), strict=True))
        return [_drop_refused(one, answers) for one in decisions]

    def paint(self, decisions: Sequence[Decision], seen: Log, log: Log) -> None:
        """Paint the frames that have no record yet; one that fails is left as it is."""
        settings = replace(self.settings, judge=False)
        todo = range(log.count, seen.count)
        for frame, rgb, parts in self._frames(decisions, seen, todo):
            self.watch.frame("painting", frame + 1, seen.count)
            try:
                image, reports = self._paint_whole(rgb, parts, settings)
                tones = {
                    one.number: read_tones(rgb, image, one.mesh)
                    for one in parts.found.chosen
                    if not reports[one.number].reason
                }
            except (PackError, SettingsError):
                raise  # the next frame would fail in the same way
            except Exception as error:  # noqa: BLE001 - the other frames are to be refined
                log.append(pack_changes([], fault=say_error(error)))
            else:
                why = " ".join(
                    f"Track {one.number}: {reports[one.number].reason}"
                    for one in parts.found.chosen
                    if reports[one.number].reason
                )
                log.append(pack_changes(find_changes(rgb, image), left=why, tones=tones))

    def _paint_whole(
        self, rgb: Pixels, parts: Assembled, settings: Settings
    ) -> tuple[Pixels, dict[int, PartReport]]:
        """As _refine; a hand that would be torn is tried again with more room around it.

        A single picture is better left alone then. In a clip, one frame in which the malformed hand
        is back is worse than a wider ring.
        """
        best = self._refine(rgb, parts, settings, None)
        for factor in WIDER:
            torn = sum(one.reason == TORN for one in best[1].values())
            if not torn:
                break
            again = self._refine(rgb, parts, _widen(settings, factor), None)
            if sum(one.reason == TORN for one in again[1].values()) < torn:
                best = again
        return best

    def settle(self, decisions: Sequence[Decision], seen: Log, painted: Log) -> Pairs:
        """All frames with their changes, in tones that are steady over time."""
        half = max(round(TONES * float(self.clip.rate)), 2)
        ends: list[dict[int, Floats]] = [{}] * half
        known = chain(map(unpack_tones, painted.read()), ends)
        window = deque([{}, *ends, *islice(known, half)], maxlen=2 * half + 1)
        records = painted.read()
        assembled = self._assemble(decisions, seen)
        for frame, parts in zip(self.clip.frames(), assembled, strict=True):
            window.append(next(known))
            changes = unpack_changes(next(records))
            yield frame, _settle(frame, parts, changes, window) if window[half] else changes

    def _assemble(self, decisions: Sequence[Decision], seen: Log) -> Iterator[Assembled]:
        reach = max(round(REACH * float(self.clip.rate)), 2)
        assembly = Assembly(decisions, reach, self.settings.max_parts)
        return assembly.frames(unpack_seen(record) for record in seen.read())

    def _frames(
        self, decisions: Sequence[Decision], seen: Log, todo: Collection[int]
    ) -> Iterator[tuple[int, Pixels, Assembled]]:
        """These frames, their pictures and parts."""
        if not todo:
            return
        pairs = zip(self.clip.frames(), self._assemble(decisions, seen), strict=True)
        for frame, (shown, parts) in enumerate(pairs):
            if frame in todo:
                yield frame, shown.planes.rgb(), parts

    def _refine(
        self, rgb: Pixels, parts: Assembled, settings: Settings, only: Collection[int] | None
    ) -> tuple[Pixels, dict[int, PartReport]]:
        """A frame with its chosen parts repainted, and what became of each, by its track."""
        found = parts.found
        doubtful = {
            one.number: why
            for one in found.chosen
            if one.number in parts.filled
            and self.models.engine_for(one.part.kind, settings) == TRANSPLANT
            and (why := distrust(rgb, one.mesh))
        }
        found = found.give_reasons(doubtful)
        result = refine(rgb, self.models, settings, found=found, only=only, progress=Silent())
        return result.image, {one.index: one for one in result.parts}


def _drop_refused(decision: Decision, answers: dict[int, dict[str, str]]) -> Decision:
    """A decision without the spans that were refused in most of their samples."""
    number, kept, reasons = str(decision.track.number), [], Counter[str]()
    for span in decision.spans:
        told = [one[number] for at, one in answers.items() if number in one and span.holds(at)]
        refused = Counter(filter(None, told))
        if 2 * refused.total() > len(told):
            reasons.update(refused)
        else:
            kept.append(span)
    why = reasons.most_common(1)[0][0] if reasons and not kept else decision.reason
    return replace(decision, spans=tuple(kept), reason=why)


def _widen(settings: Settings, factor: float) -> Settings:
    """The settings with a ring that reaches farther outwards."""
    rules = PRESETS[settings.preset or RELEASED].masks
    widths: dict[str, Any] = {}
    for kind in settings.parts:
        own = settings.of(kind).dilate
        width = rules[kind].dilate if own is None else own
        widths[f"{kind}_dilate"] = min(round(factor * width), MOST)
    return replace(settings, **widths)


def _settle(
    frame: Frame, parts: Assembled, changes: list[Change], window: Sequence[dict[int, Floats]]
) -> list[Change]:
    """The frame's changes in steady tones; the window's middle holds its own tones by track."""
    half = len(window) // 2
    before = frame.planes.rgb()
    after = change_pixels(before, changes)
    for one in parts.found.parts:
        if one.number in window[half]:
            shown = [at for at, each in enumerate(window) if one.number in each]
            tones = [window[at][one.number] for at in shown]
            steady = steady_tones(tones, np.array(shown) - half, half)
            after = settle(before, after, one.mesh, window[half][one.number], steady)
    return find_changes(before, after)
