"""Refines a clip steadily: looks at all of it, decides on whole tracks, then paints each frame."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from realishuman.batch.picture import say_error
from realishuman.errors import PackError, SettingsError
from realishuman.judge.trust import distrust
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.pipeline.result import PartReport
from realishuman.progress import Silent
from realishuman.settings import TRANSPLANT, Settings
from realishuman.video.assembly import Assembled, Assembly
from realishuman.video.changes import Pixels, find_changes, pack_changes
from realishuman.video.clip import Clip
from realishuman.video.decisions import Decision, decide, sample
from realishuman.video.journal import Log, rest
from realishuman.video.sights import pack_seen, see, unpack_seen
from realishuman.video.smoothing import REACH
from realishuman.video.tracks import follow
from realishuman.video.wanted import Wanted, Watch

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
                image, _ = self._refine(rgb, parts, settings, None)
            except (PackError, SettingsError):
                raise  # the next frame would fail in the same way
            except Exception as error:  # noqa: BLE001 - the other frames are to be refined
                log.append(pack_changes([], fault=say_error(error)))
            else:
                log.append(pack_changes(find_changes(rgb, image)))

    def _frames(
        self, decisions: Sequence[Decision], seen: Log, todo: Collection[int]
    ) -> Iterator[tuple[int, Pixels, Assembled]]:
        """These frames, their pictures and parts."""
        if not todo:
            return
        reach = max(round(REACH * float(self.clip.rate)), 2)
        assembly = Assembly(decisions, reach, self.settings.max_parts)
        assembled = assembly.frames(unpack_seen(record) for record in seen.read())
        pairs = zip(self.clip.frames(), assembled, strict=True)
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
