"""What refining one picture is about, and what is gathered on its way to the result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import GivenBox
from realishuman.imaging.loaded import LoadedPicture
from realishuman.imaging.paste import Patch, PixelPatch
from realishuman.paint.base import NO_WEIGHTS, Painter
from realishuman.parts.found import Found, FoundPart
from realishuman.parts.origin import Origin, origin_of
from realishuman.parts.prepare import PreparedPart
from realishuman.pipeline.look import describe_missed
from realishuman.pipeline.models import Models
from realishuman.pipeline.result import PartReport, Result, Try
from realishuman.progress import Clock, Progress
from realishuman.settings import CHECKPOINT, Settings

Pixels = NDArray[np.uint8]

NOT_CHOSEN = "This part was not chosen."


@dataclass
class Run:
    """One picture on its way through the pipeline.

    source    the picture as it came.
    found     its parts.
    missed    what the user named and is not there, in sentences.
    made      how the picture was made; None: as its own generation parameters say.
    output    (H, W, 3) uint8, the picture with what was refined so far.
    reports   what came of each part so far, by its number.
    patches   what was pasted.
    tries     all that was painted, by number of the part.
    painters  what painted, by kind of part.
    """

    source: LoadedPicture
    models: Models
    settings: Settings
    progress: Progress
    keep_steps: bool
    clock: Clock
    found: Found
    missed: tuple[str, ...] = ()
    made: Origin | None = None
    reports: dict[int, PartReport] = field(default_factory=dict)
    steps: dict[str, Pixels] = field(default_factory=dict)
    patches: list[Patch | PixelPatch] = field(default_factory=list)
    tries: dict[int, tuple[Try, ...]] = field(default_factory=dict)
    painters: dict[str, Painter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.output = self.rgb
        self.reports = {one.number: _report(one) for one in self.found.parts}

    @property
    def rgb(self) -> Pixels:
        """The picture as it came, (H, W, 3) uint8."""
        return self.source.rgb

    @property
    def origin(self) -> Origin:
        """How the picture was made."""
        return self.made or origin_of(self.source.metadata.parameters)

    def of_kind(self, kind: str) -> list[FoundPart]:
        """The parts of a kind that nothing speaks against so far."""
        parts = (one for one in self.found.parts if one.part.kind == kind)
        return [one for one in parts if not self.reports[one.number].reason]

    def leave(self, number: int, reason: str) -> None:
        """Leave a part as it is."""
        self.reports[number] = replace(self.reports[number], reason=reason)

    def leave_rest(self, reason: str) -> None:
        """Leave the parts as they are of which nothing else is known."""
        for number, report in self.reports.items():
            if report.outcome != "refined" and not report.reason:
                self.leave(number, reason)

    def keep(self, name: str, image: Tensor, one: PreparedPart) -> None:
        """Remember an intermediate picture (3, R, R) in [0, 1] of a part, if asked to."""
        if self.keep_steps:
            pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
            self.steps[f"{one.number}-{one.part.kind}/{name}"] = pixels

    def result(self) -> Result:
        """The picture and its report, as far as the run has come."""
        alpha, models = self.source.alpha, self.models
        mesh, engine = self.settings.mesh, self.settings.engine
        detector = models.detector_for(self.settings.detector)
        weights = {kind: painter.weights for kind, painter in self.painters.items()}
        notes = (
            *models.remarks,
            detector.note,
            *(models.mesh_note(kind, mesh, engine) for kind in self.found.kinds),
            *dict.fromkeys(painter.note for painter in self.painters.values()),
            *self.missed,
            *self.found.hints,
            *(f"Part {n}: {one.note}" for n, one in self.reports.items() if one.note),
        )
        return Result(
            image=self.output if alpha is None else np.dstack([self.output, alpha]),
            parts=tuple(self.reports.values()),
            message=self._message(weights),
            weights=weights,
            meshes={kind: models.mesh_choice(kind, mesh, engine).name for kind in self.found.kinds},
            unets={kind: one.unets for kind, one in self.painters.items() if one.unets},
            notes=tuple(filter(None, notes)),
            missed=self.missed,
            provider=detector.provider,
            seconds=self.clock.seconds,
            steps=self.steps,
            patches=tuple(self.patches),
            tries=self.tries,
            source=self.source,
        )

    def _message(self, weights: dict[str, str]) -> str:
        if not self.reports:
            return "No part was found, so the picture is unchanged."
        refined = sum(one.outcome == "refined" for one in self.reports.values())
        text = f"{refined} of {len(self.reports)} parts refined."
        if "random" in weights.values():
            text += " The weights are RANDOM: they paint noise and only prove that everything runs."
        elif "demo" in weights.values():
            text += " Demo weights: small networks that only demonstrate the method."
        elif NO_WEIGHTS in weights.values():
            text += " The transplant repaints with the picture's own skin."
        if CHECKPOINT in weights.values():
            text += " A checkpoint repaints, which is not measured yet."
        return text


def choose_parts(
    found: Found, only: Collection[int] | None, boxes: Sequence[GivenBox]
) -> tuple[Found, tuple[str, ...]]:
    """Leave alone what was not chosen.

    only     numbers of the parts that may be refined, also those that are doubted or that the
             gate would leave alone; None means all.
    boxes    that the user named.
    Returns  the parts, and a sentence for each number and box without one.
    """
    lacking = describe_missed([one.part for one in found.parts], boxes)
    if only is None:
        return found, tuple(lacking)
    rest = [one.number for one in found.chosen if one.number not in only]
    count = len(found.parts)
    lacking += [
        f"There is no part {number} in the picture: {count} found."
        for number in sorted(only)
        if not 1 <= number <= count
    ]
    reasons = dict.fromkeys(rest, NOT_CHOSEN)
    reasons |= {one.number: "" for one in found.parts if one.number in only and one.yields}
    return found.give_reasons(reasons), tuple(lacking)


def _report(found: FoundPart) -> PartReport:
    """The report of a part that stays as it is, so far."""
    part = found.part
    return PartReport(
        index=found.number,
        kind=part.kind,
        side=part.side,
        score=part.score,
        box=part.box,
        outcome="kept",
        reason=found.reason,
        note=part.note,
    )
