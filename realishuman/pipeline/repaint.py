"""Paints the parts of pictures, judges what comes out, and pastes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.imaging.paste import Patch, PixelPatch, compose
from realishuman.judge.verdict import Verdict, compare
from realishuman.paint.base import NO_WEIGHTS, Painted, Painter
from realishuman.parts.prepare import PreparedPart
from realishuman.pipeline.engines import why_left_alone
from realishuman.pipeline.look import prepare_parts
from realishuman.pipeline.models import Models
from realishuman.pipeline.result import Malformed, Try
from realishuman.pipeline.run import Run
from realishuman.progress import Clock, PartProgress
from realishuman.settings import Settings

Pixels = NDArray[np.uint8]
ChoosePainter = Callable[[Models, str, Settings], "Painter | None"]
Todo = Sequence[tuple[Run, PreparedPart]]


@dataclass(frozen=True)
class _Pasted:
    """One try at a part in its picture, and what the judge says of it, where it was asked."""

    painted: Painted
    patch: Patch | PixelPatch
    output: Pixels
    verdict: Verdict | None


def repaint(runs: Sequence[Run], choose: ChoosePainter, ask_detector: bool = True) -> None:
    """Repaint what is chosen in all runs, kind by kind; they share models and settings.

    choose        gives the painter of a kind of part.
    ask_detector  whether the judge may look for the keypoints of a repair again.
    """
    if not runs:
        return
    models, settings = runs[0].models, runs[0].settings
    waiting = {kind: sum(len(run.of_kind(kind)) for run in runs) for kind in settings.parts}
    done = 0
    for kind in (kind for kind in settings.parts if waiting[kind]):
        painter = choose(models, kind, settings)
        todo = [(run, one) for run in runs for one in _prepare(kind, run, painter)]
        waiting[kind] = len(todo)
        if painter is None or not todo:
            continue
        models.make_room()
        for group in _groups(todo, painter, alone=len(runs) == 1):
            _announce(group, done, sum(waiting.values()))
            for each, tries in zip(group, _paint(group, painter), strict=True):
                _paste_best(*each, tries, painter, ask_detector)
            done += len(group)


def _groups(todo: Todo, painter: Painter, *, alone: bool) -> list[Todo]:
    """The parts that are painted together, and lost together if the run is stopped meanwhile.

    Of many pictures all parts are: nobody waits for one of them, and each group moves weights.
    """
    together = 1 if painter.weights == NO_WEIGHTS else todo[0][0].settings.max_batch
    size = together if alone else len(todo)
    return [todo[at : at + size] for at in range(0, len(todo), size)]


def _announce(group: Todo, done: int, total: int) -> None:
    progress = group[0][0].progress
    if isinstance(progress, PartProgress):
        names = [run.reports[number].name for run, one in group for number in one.numbers]
        progress.work_on(names, done, total)


def _prepare(kind: str, run: Run, painter: Painter | None) -> list[PreparedPart]:
    """The parts of one kind that are to be painted; none without a painter for them."""
    chosen = run.of_kind(kind)
    if painter is None:
        for one in chosen:
            why = why_left_alone(
                kind, run.settings.engine, run.models.lacking, run.models.no_checkpoint
            )
            run.leave(one.number, why)
        return []
    if not chosen:
        return []
    with run.clock.timed("prepare"):
        made = prepare_parts(run.rgb, run.found, chosen, run.settings, run.models)
    # parts that share a crop are painted once, as the first of them
    firsts = [ready for ready in made if ready.number == min(ready.numbers)]
    return [replace(ready, origin=run.origin) for ready in firsts]


def _paint(todo: Todo, painter: Painter) -> list[list[Painted]]:
    """Paint parts of one kind; each picture gets its share of the time."""
    run, clock = todo[0][0], Clock()
    parts = [one for _, one in todo]
    for owner, one in todo:
        ring = torch.from_numpy(one.masks.m_d & ~one.masks.m_e).float()
        for name, image in (("1-crop", one.image), ("2-pose", one.pose), ("3-ring", ring)):
            owner.keep(name, image.expand(3, -1, -1), one)
    tries = painter.paint(parts, run.settings, run.progress, clock)
    for owner, _ in todo:
        for stage, seconds in clock.seconds.items():
            owner.clock.add(stage, seconds / len(todo))
    return tries


def _paste_best(
    run: Run, one: PreparedPart, tries: Sequence[Painted], painter: Painter, ask_detector: bool
) -> None:
    """Paste the best of the tries at a part into its picture, or note why not."""
    sound = [
        (painted, painted.patch)
        for painted in tries
        if painted.patch is not None and not painted.fault
    ]
    if not sound:
        for number in one.numbers:
            run.leave(number, tries[0].fault)
        return
    judged = run.settings.ways.judge and painter.weights != "random"
    asked = judged or len(sound) > 1
    pasted = [_paste(run, one, *each, asked, ask_detector) for each in sound]
    best = min(pasted, key=lambda each: each.verdict.rank if each.verdict else ())
    for name, image in best.painted.steps.items():
        run.keep(name, image, one)
    verdict = best.verdict
    refused = verdict.reason if judged and verdict else ""
    all_tries = tuple(_try(each, judged) for each in pasted)
    for number in one.numbers:
        run.tries[number] = all_tries
        report = replace(
            run.reports[number],
            seed=best.painted.seed,
            malformed=Malformed(*verdict.malformed) if verdict and verdict.malformed else None,
            reason=refused,
        )
        if not refused:
            report = replace(report, outcome="refined", crop=one.crop.box, engine=painter.engine)
        run.reports[number] = report
    if refused:
        return
    run.output = best.output
    run.patches.append(best.patch)
    run.painters[one.part.kind] = painter


def _try(pasted: _Pasted, judged: bool) -> Try:
    reason = pasted.verdict.reason if judged and pasted.verdict else ""
    return Try(pasted.patch, pasted.painted.seed, reason)


def _paste(
    run: Run,
    one: PreparedPart,
    painted: Painted,
    patch: Patch | PixelPatch,
    asked: bool,
    ask_detector: bool,
) -> _Pasted:
    """Paste one try at a part into its picture, and ask the judge about it where `asked`."""
    ways, models = run.settings.ways, run.models
    last = all(other.covered >= patch.covered for other in run.patches)
    below, patches = (run.output, [patch]) if last else (run.rgb, [*run.patches, patch])
    with run.clock.timed("paste"):
        output = compose(below, patches, feather=ways.paste, colour_match=ways.colour_match)
    if not asked:
        return _Pasted(painted, patch, output, None)
    detector = models.detector_for(run.settings.detector) if ask_detector else None
    kind, settings = one.part.kind, run.settings
    network = models.judge(kind, settings.engine)
    regressor = models.regressor(kind, settings.mesh, settings.engine)
    with run.clock.timed("judge"):
        verdicts = [
            compare(run.output, output, replace(one, found=found), detector, network, regressor)
            for found in (one.found, *one.joined)
        ]
    verdict = max(verdicts, key=lambda each: each.rank)  # the worst, where a crop has two parts
    return _Pasted(painted, patch, output, verdict)
