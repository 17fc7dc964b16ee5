"""The whole method on one picture: find, mesh, stage one, stage two, paste. The public API."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from realishuman.arguments import expect
from realishuman.detect.base import GivenBox, Part
from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.networks import Backbone
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.imaging.colour import match_parts
from realishuman.imaging.handed import pixels_of
from realishuman.imaging.masks import with_core
from realishuman.imaging.paste import Patch, compose
from realishuman.imaging.picture import as_rgb, load_picture, picture_of
from realishuman.judge.verdict import Verdict, compare, good_already
from realishuman.mesh.base import Mesh
from realishuman.parts.prepare import PreparedPart
from realishuman.pipeline.look import Found, as_packed, find, missed, reconstruct, unseen
from realishuman.pipeline.models import Models
from realishuman.progress import Progress, Silent, Viewer
from realishuman.result import Malformed, PartReport, Result
from realishuman.settings import PRESETS, Settings
from realishuman.weights.header import PackHeader

Pixels = NDArray[np.uint8]
Change = Callable[[Backbone], Backbone]

NOT_CHOSEN = "This part was not chosen."


@dataclass
class _Run:
    """What refining one picture is about, and what it gathers on its way.

    rgb            the picture as it came.
    output         the picture with what was refined so far.
    refined, kept, verdicts, seeds  by the part's number, from 1; kept holds the reason.
    missed         what the user named and is not there, in sentences.
    hints          what may have been missed, in sentences.
    change, ask_detector     as `refine_all` takes them.
    """

    models: Models
    settings: Settings
    progress: Progress
    keep_steps: bool
    rgb: Pixels
    output: Pixels = field(init=False)
    parts: list[Part] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    steps: dict[str, Pixels] = field(default_factory=dict)
    refined: dict[int, PreparedPart] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    seeds: dict[int, int] = field(default_factory=dict)
    patches: list[Patch] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    hints: tuple[str, ...] = ()
    change: Change | None = None
    ask_detector: bool = True

    def __post_init__(self) -> None:
        self.output = self.rgb

    def backbone(self, kind: str) -> Backbone:
        """The networks that repaint parts of this kind."""
        backbone = self.models.backbone(kind)
        return self.change(backbone) if self.change else backbone

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the block's wall time to a stage's."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def keep(self, name: str, image: Tensor, one: PreparedPart) -> None:
        """Remember an intermediate picture (3, R, R) in [0, 1] of a part, if asked to."""
        if self.keep_steps:
            self.steps[f"{one.index}-{one.part.kind}/{name}"] = _pixels(image)


Todo = Sequence[tuple[_Run, PreparedPart]]


@dataclass(frozen=True)
class _Painted:
    """A part as one seed painted it: stages one and two, (3, R, R) in [0, 1]; good if finite."""

    seed: int
    stage_one: Tensor
    stage_two: Tensor
    good: bool


@dataclass(frozen=True)
class _Pasted:
    """The same in its picture, and what the judge says of it, where it was asked."""

    painted: _Painted
    patch: Patch
    output: Pixels
    verdict: Verdict | None


def refine(
    image: str | Path | Image.Image | NDArray[Any],
    models: Models,
    settings: Settings | None = None,
    *,
    boxes: Sequence[GivenBox] = (),
    found: Found | None = None,
    only: Collection[int] | None = None,
    progress: Progress | None = None,
    keep_steps: bool = False,
) -> Result:
    """Repair the hands and faces of one picture.

    image       a file, a Pillow picture, or (H, W), (H, W, 3) or (H, W, 4) uint8 RGB(A), uint16,
                or float in [0, 1].
    models      which networks to use, as open_models returns them.
    boxes       places to search instead of the whole picture, in its pixels: there alone, for
                their kinds alone.
    found       what `look` returned for this picture, which is then not searched again.
    only        numbers of the parts that may be refined; None means all.
    keep_steps  return crops, pose images, masks and both stages' outputs in Result.steps.
    Returns     the picture with the refined parts pasted in and a report; the input itself, bit
                for bit, if there was nothing to do. Of 16 bits per channel all are kept.
    Raises      RealisHumanError with a sentence for the user; Interrupted from progress.
    """
    _check_arguments(image, models, settings, boxes, only)
    if isinstance(image, (str, os.PathLike)):
        loaded = load_picture(image)
    else:
        loaded = picture_of(pixels_of(image) if isinstance(image, Image.Image) else image)
    run = _Run(models, settings or Settings(), progress or Silent(), keep_steps, loaded.rgb)
    _begin(run, boxes, found, only)
    _repaint_all([run])
    result = replace(_result(loaded.alpha, run), source=loaded)
    deep = loaded.deep
    return result if deep is None else replace(result, image=_deepened(deep, run))


def _check_arguments(image: Any, models: Any, settings: Any, boxes: Any, only: Any) -> None:
    """Raise SettingsError if an argument of `refine` has a wrong type."""
    expect("image", image, (str, os.PathLike, Image.Image, np.ndarray), "a path or a picture")
    expect("models", models, Models, "what open_models() returns")
    if settings is not None:
        wanted = "Settings(...), or Settings.from_dict(...) of a dict"
        expect("settings", settings, Settings, wanted)
    expect("boxes", boxes, Sequence, "a list of GivenBox")
    for one in boxes:
        expect("boxes", one, GivenBox, "a list of GivenBox")
    if only is not None:
        expect("only", only, Collection, "a list of parts' numbers")
        for number in only:
            expect("only", number, (int, np.integer), "a list of parts' numbers")


def _deepened(deep: NDArray[np.uint16], run: _Run) -> NDArray[np.uint16]:
    """The picture (H, W, 3 or 4) with 16 bits per channel, the same parts pasted in."""
    settings, output = run.settings, deep.copy()
    output[..., :3] = compose(
        deep[..., :3], run.patches, feather=settings.paste, colour_match=settings.colour_match
    )
    return output


def refine_all(
    pictures: Sequence[Pixels],
    models: Models,
    settings: Settings | None = None,
    *,
    found: Sequence[Found] | None = None,
    progress: Progress | None = None,
    keep_steps: bool = False,
    change: Change | None = None,
    ask_detector: bool = True,
) -> list[Result]:
    """Repair several pictures; their parts go through the networks together.

    pictures      each (H, W, 3) uint8 RGB, of any size.
    found         what `look` returned for each, which are then not searched again.
    change        makes of a pack's networks those to paint with; None takes them as they are.
    ask_detector  whether the judge may look for the keypoints of a repair again; not where the
                  same detector is to measure the result.
    Returns       what `refine` returns for each alone, but for float rounding. Result.seconds
                  shares the networks' time by parts.
    Raises        as `refine`.
    """
    chosen, told = settings or Settings(), progress or Silent()
    runs = [
        _Run(
            models,
            chosen,
            told,
            keep_steps,
            as_rgb(one)[0],
            change=change,
            ask_detector=ask_detector,
        )
        for one in pictures
    ]
    each: Sequence[Found | None] = [None] * len(runs) if found is None else found
    for run, known in zip(runs, each, strict=True):
        _begin(run, (), known, None)
    _repaint_all(runs)
    return [_result(None, run) for run in runs]


def _begin(
    run: _Run, boxes: Sequence[GivenBox], found: Found | None, only: Collection[int] | None
) -> None:
    """Give a run its parts and their meshes, and say which are left alone."""
    if found is None:
        with run.timed("detect"):
            parts = find(run.rgb, run.models, run.settings, boxes, run.progress)
            some = [one for one, _ in parts]
            hints = unseen(run.rgb, some, run.models, run.settings, boxes)
        with run.timed("mesh"):
            meshes = reconstruct(run.rgb, some, run.models, run.settings.mesh)
        found = Found(tuple(parts), tuple(meshes), hints)
    run.parts, run.meshes = [part for part, _ in found.parts], list(found.meshes)
    run.hints, run.missed = found.hints, missed(run.parts, boxes)
    run.kept = {number: why for number, (_, why) in enumerate(found.parts, start=1) if why}
    if only is not None:
        rest = (n for n in range(1, len(run.parts) + 1) if n not in only and n not in run.kept)
        run.kept.update(dict.fromkeys(rest, NOT_CHOSEN))
        run.missed += [
            f"There is no part {number} in the picture: {len(run.parts)} found."
            for number in sorted(only)
            if not 1 <= number <= len(run.parts)
        ]


def _repaint_all(runs: Sequence[_Run]) -> None:
    """Run both stages, kind by kind, on the parts of all runs; they share models and settings."""
    for kind in runs[0].settings.parts if runs else ():
        todo = [(run, one) for run in runs for one in _prepared(kind, run)]
        if todo:
            _repaint(todo, runs[0].models.packs[kind].header)


def _prepared(kind: str, run: _Run) -> list[PreparedPart]:
    """The parts of one kind that are to be refined; none without a pack for them."""
    chosen = [
        number
        for number, part in enumerate(run.parts, start=1)
        if part.kind == kind and number not in run.kept
    ]
    if kind not in run.models.packs:
        run.kept.update(dict.fromkeys(chosen, f"no pack for {kind}s is in use"))
        return []
    if not chosen:
        return []
    with run.timed("prepare"):
        made = as_packed(run.rgb, run.parts, run.meshes, chosen, run.settings, run.models, kind)
    network = run.models.judge(kind) if run.settings.skip_good else None
    if network is None:
        return made
    with run.timed("judge"):
        run.kept.update({p.index: why for p in made if (why := good_already(run.rgb, p, network))})
    return [one for one in made if one.index not in run.kept]


def _repaint(todo: Todo, header: PackHeader) -> None:
    """Run both stages on parts of one kind and paste them into their pictures.

    Every try of a part is a part of its own to the networks.
    """
    first = todo[0][0]
    first.models.make_room()
    settings, progress, backbone = first.settings, first.progress, first.backbone(header.kind)
    tries = settings.tries if header.weights != "random" else 1  # those only try the wiring
    seeds = [settings.seed + number for number in range(tries)] * len(todo)
    todo = [each for each in todo for _ in range(tries)]
    sampling = _sampling(settings, header)
    image = torch.stack([one.image for _, one in todo])
    pose = torch.stack([one.pose for _, one in todo])
    m = torch.from_numpy(np.stack([one.masks.m for _, one in todo]))[:, None]
    m_d = torch.from_numpy(np.stack([one.masks.m_d for _, one in todo]))[:, None]
    m_e = torch.from_numpy(np.stack([one.masks.m_e for _, one in todo]))[:, None]
    indices = [one.index for _, one in todo]
    for name, pictures in (("1-crop", image), ("2-pose", pose), ("3-ring", (m_d & ~m_e).float())):
        for picture, (run, one) in zip(pictures.expand(-1, 3, -1, -1), todo, strict=True):
            run.keep(name, picture, one)

    with _shared("stage one", todo):
        noise = PartNoise(seeds, indices, "stage one")
        repaired, good_one = stage_one.run(
            backbone, stage_one.inputs(image, pose, m), sampling, noise, progress
        )
    if settings.colour_match:
        repaired = match_parts(repaired, image, m_e)
    _show(repaired, progress)
    with _shared("stage two", todo):
        noise = PartNoise(seeds, indices, "stage two")
        refined, good_two = stage_two.run(
            backbone, stage_two.inputs(image, repaired, m_d, m_e), sampling, noise, progress
        )
    if header.keep_core:
        refined = with_core(refined, repaired, m_e)
    _show(refined, progress)
    painted = list(map(_Painted, seeds, repaired, refined, (good_one & good_two).tolist()))
    for start in range(0, len(todo), tries):
        _paste(*todo[start], painted[start : start + tries], header)


def _paste(run: _Run, one: PreparedPart, tried: Sequence[_Painted], header: PackHeader) -> None:
    """Paste the best of the tries at a part into its picture, or note why not."""
    good = [painted for painted in tried if painted.good]
    if not good:
        run.kept[one.index] = (
            "the networks returned values that are not numbers; try float32 precision: "
            "--precision float32, or start the WebUI with --no-half"
        )
        return
    judged = run.settings.judge and header.weights != "random"
    pasted = [_pasted(run, one, each, header, judged or len(good) > 1) for each in good]
    best = min(pasted, key=lambda each: each.verdict.rank if each.verdict else ())
    run.keep("4-stage-one", best.painted.stage_one, one)
    run.keep("5-stage-two", best.painted.stage_two, one)
    run.seeds[one.index] = best.painted.seed
    if best.verdict is not None:
        run.verdicts[one.index] = best.verdict
        if judged and best.verdict.reason:
            run.kept[one.index] = best.verdict.reason
            return
    run.output = best.output
    run.patches.append(best.patch)
    run.refined[one.index] = one


def _pasted(
    run: _Run, one: PreparedPart, painted: _Painted, header: PackHeader, judged: bool
) -> _Pasted:
    """Paste one try at a part into its picture, and ask the judge about it where `judged`."""
    settings, masks = run.settings, one.masks
    matched = masks.m_e if header.keep_core else None
    painted_crop = painted.stage_two.cpu()
    patch = Patch(one.index, painted_crop, one.crop, masks.m_d, masks.m, matched, one.covered)
    last = all(other.covered >= patch.covered for other in run.patches)
    below, patches = (run.output, [patch]) if last else (run.rgb, [*run.patches, patch])
    with run.timed("paste"):
        output = compose(below, patches, feather=settings.paste, colour_match=settings.colour_match)
    if not judged:
        return _Pasted(painted, patch, output, None)
    models = run.models
    detector = models.detector_for(settings.detector) if run.ask_detector else None
    with run.timed("judge"):
        verdict = compare(run.output, output, one, detector, models.judge(header.kind))
    return _Pasted(painted, patch, output, verdict)


@contextmanager
def _shared(stage: str, todo: Todo) -> Iterator[None]:
    """Add the block's wall time to a stage's of each picture, by its share of the parts."""
    start = time.perf_counter()
    yield
    share = (time.perf_counter() - start) / len(todo)
    for run, _ in todo:
        run.seconds[stage] = run.seconds.get(stage, 0.0) + share


def _show(images: Tensor, progress: Progress) -> None:
    if isinstance(progress, Viewer):
        progress.show(_pixels(torch.cat(list(images), dim=2)))


def _sampling(settings: Settings, header: PackHeader) -> Sampling:
    """What the user says counts, then a preset the user names, the pack, the pack's preset."""
    preset = PRESETS[settings.preset or header.preset]
    steps, guidance = preset.steps, preset.guidance
    if settings.preset is None:
        steps = header.steps or steps
        guidance = guidance if header.guidance is None else header.guidance
    return Sampling(
        steps=settings.steps or steps,
        guidance=guidance if settings.guidance is None else settings.guidance,
        reference_every=settings.reference_every,
        guidance_share=settings.guidance_share,
        max_batch=settings.max_batch,
    )


def _pixels(image: Tensor) -> Pixels:
    """(3, H, W) float in [0, 1] to (H, W, 3) uint8."""
    array: Pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return array


def _report(index: int, part: Part, run: _Run) -> PartReport:
    done, verdict = run.refined.get(index), run.verdicts.get(index)
    return PartReport(
        index=index,
        kind=part.kind,
        side=part.side,
        score=part.score,
        box=part.box,
        outcome="refined" if done else "kept",
        reason="" if done else run.kept.get(index, ""),
        crop=done.crop.box if done else None,
        malformed=Malformed(*verdict.malformed) if verdict and verdict.malformed else None,
        seed=run.seeds.get(index),
        note=part.note,
    )


def _result(alpha: Pixels | None, run: _Run) -> Result:
    detector = run.models.detector_for(run.settings.detector)
    kinds = dict.fromkeys(part.part.kind for part in run.refined.values())
    weights = {kind: run.models.packs[kind].header.weights for kind in kinds}
    models, mesh = run.models, run.settings.mesh
    found = dict.fromkeys(part.kind for part in run.parts)
    assumed = [f"Part {n}: {part.note}" for n, part in enumerate(run.parts, start=1) if part.note]
    encoders = dict.fromkeys(models.backbone(kind).note for kind in kinds)
    return Result(
        image=run.output if alpha is None else np.dstack([run.output, alpha]),
        parts=tuple(_report(number, part, run) for number, part in enumerate(run.parts, start=1)),
        message=_message(run, weights),
        weights=weights,
        meshes={kind: models.mesh_choice(kind, mesh).name for kind in found},
        unets={kind: models.backbone(kind).unets for kind in kinds},
        notes=tuple(
            filter(
                None,
                (
                    *models.remarks,
                    detector.note,
                    *(models.mesh_note(kind, mesh) for kind in found),
                    *encoders,
                    *run.missed,
                    *run.hints,
                    *assumed,
                ),
            )
        ),
        missed=tuple(run.missed),
        provider=detector.provider,
        seconds=run.seconds,
        steps=run.steps,
        patches=tuple(run.patches),
    )


def _message(run: _Run, weights: dict[str, str]) -> str:
    if not run.parts:
        return "No part was found, so the picture is unchanged."
    text = f"{len(run.refined)} of {len(run.parts)} parts refined."
    if "random" in weights.values():
        text += " The weights are RANDOM: they paint noise and only prove that everything runs."
    elif "demo" in weights.values():
        text += " Demo weights: small networks that show the method, no more."
    return text
