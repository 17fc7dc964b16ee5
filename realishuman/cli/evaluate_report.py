"""Protocol A from the command line's options to its written report, and on after a kill."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman import __version__
from realishuman.cli import evaluate_folders
from realishuman.cli.checkpoint_options import BESIDE, wishes_from
from realishuman.errors import PackError, SettingsError
from realishuman.presets import PRESETS
from realishuman.settings import PACK, Settings

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.evaluate.distances import Extractor
    from realishuman.evaluate.pairs import Method
    from realishuman.evaluate.photographed import Photographed
    from realishuman.evaluate.rendered import Rendered
    from realishuman.packs.header import PackHeader
    from realishuman.pipeline.models import Models
    from realishuman.terminal import Bar

OK = 0
HAND = "hand"


def poses_of(options: argparse.Namespace) -> list[str]:
    """The poses asked for, each once; SettingsError if one is unknown."""
    from realishuman.evaluate.pairs import POSES

    poses = list(dict.fromkeys(name.strip() for name in options.poses.split(",")))
    if not set(poses) <= set(POSES):
        raise SettingsError(f"--poses must name some of {', '.join(POSES)}, not {options.poses!r}")
    return poses


def report_pairs(
    options: argparse.Namespace,
    title: str,
    settings: Settings,
    methods: Callable[[Models], list[Method]],
    *,
    stages: bool,
    notes: tuple[str, ...] = (),
) -> int:
    """Run protocol A and write its report, also of what was done when it is stopped.

    methods  what is measured, given the models of `--pack`.
    stages   whether the sheet shows stage one and pose.
    Raises   SettingsError and PackError for options that cannot be followed.
    """
    from realishuman.batch.places import try_folder
    from realishuman.detect.embedded import EmbeddedDetector
    from realishuman.evaluate.kept import Kept
    from realishuman.evaluate.report import write
    from realishuman.evaluate.run import Run, Scope, evaluate
    from realishuman.evaluate.scorer import Scorer
    from realishuman.evaluate.tables import pairs_report
    from realishuman.files.guard import locked
    from realishuman.terminal import Bar

    seeds = _seeds(options)
    poses_of(options)
    try_folder(options.output)
    with (
        locked(options.output, "evaluating"),
        _models(options) as models,
        Bar(options.quiet) as bar,
    ):
        extractor, remark = _extractor(models)
        scope = Scope(
            methods(models),
            EmbeddedDetector("cpu"),
            extractor,
            options.harm,
            options.shown,
            stages,
            scorer=Scorer(),
        )
        facts = _facts(options, models, settings, seeds)
        render = _pairs_of(options, len(seeds), bar)
        mark = _mark(options, models, render.folder.name, scope.methods, title)
        run = Run()
        try:
            evaluate(
                run,
                seeds,
                scope,
                side=options.side,
                progress=bar,
                render=render,
                store=Kept(options.output, mark),
                at_once=options.at_once,
            )
        finally:
            if run.measures:
                report = pairs_report(title, run, _weights(models), facts, (*notes, *remark))
                paths = write(report, options.output)
                bar.say("\n".join([report.warning, *map(str, paths)]).strip())
    return OK


def _seeds(options: argparse.Namespace) -> range:
    from realishuman.evaluate.pairs import FIRST_SEED

    first = FIRST_SEED if options.first is None else options.first
    if _photographs(options):
        first = 0  # they are numbered
    for name, value, least in (
        ("--count", options.count, 1),
        ("--first", first, 0),
        ("--at-once", options.at_once, 1),
    ):
        if value < least:
            raise SettingsError(f"{name} must be at least {least}, not {value}")
    return range(first, first + options.count)


def _facts(
    options: argparse.Namespace, models: Models, settings: Settings, seeds: range
) -> dict[str, Any]:
    """What the report says was run."""
    facts = {
        "pairs": f"of photographs, {len(seeds)}"
        if _photographs(options)
        else f"seeds {seeds[0]} to {seeds[-1]}, side {options.side}",
        "poses": ", ".join(poses_of(options)),
    }
    gate = f"gate {'on' if settings.ways.gate else 'off'}, "
    gate += "judge on" if settings.ways.judge else "judge off, every repair is kept"
    if models.checkpoint is not None:
        facts["checkpoint"] = models.checkpoint.name
    if HAND not in models.packs:
        return facts | {"pack": "none", "settings": f"{gate}", "device": platform.machine()}
    header = models.packs[HAND].header
    return facts | {
        "pack": f"{header.name} ({header.weights}, {header.training_step} steps, "
        f"{header.resolution} px, {header.pose} pose)",
        "settings": f"engine {settings.engine}, {_describe_settings(settings, header)}, {gate}",
        "device": f"{models.backbone(HAND).device} on {platform.machine()}",
    }


def _photographs(options: argparse.Namespace) -> Path | None:
    """The folder of photographs, where a command takes one and it is given."""
    folder: Path | None = getattr(options, "photographs", None)
    return folder


def _pairs_of(options: argparse.Namespace, count: int, bar: Bar) -> Rendered | Photographed:
    """What makes the pairs, or reads them."""
    from realishuman.evaluate.photographed import Photographed
    from realishuman.evaluate.rendered import Rendered

    folder, photographs = options.rendered or options.output / "rendered", _photographs(options)
    if photographs is None:
        return Rendered(folder)
    from realishuman.train.collect import find_pictures

    pictures = find_pictures(photographs, (options.output, folder), bar.say)
    return Photographed(pictures, folder, count, bar)


def _weights(models: Models) -> str:
    """The pack's, for the report's warning."""
    return models.packs[HAND].header.weights if HAND in models.packs else "none"


def _mark(
    options: argparse.Namespace,
    models: Models,
    generator: str,
    methods: Sequence[Method],
    title: str,
) -> dict[str, Any]:
    """What a pair's result depends on, besides its number."""
    from realishuman.files.fingerprint import digest
    from realishuman.judge.network import FOLDER
    from realishuman.mesh.hand_corrector import PHOTOGRAPHED, RENDERED

    names = ("first", "side", "steps", "guidance", "seed", "harm", "shown", "precision", "judge")
    named = ("checkpoint", *BESIDE, "strength", "reference_weight", "prompt", "negative_prompt")
    own = {name: getattr(options, name, None) for name in ("engine", "gate", "photographs", *named)}
    packs = (pack.path for pack in models.packs.values())
    networks = (
        *packs,
        *map(Path, getattr(options, "versus", ())),
        RENDERED,
        PHOTOGRAPHED,
        *sorted(FOLDER.glob("*.onnx")),
    )
    return {
        "title": title,
        "version": __version__,
        "generator": generator,
        "methods": [f"{method.name} {method.pose}".strip() for method in methods],
        "networks": [f"{path.name} {digest(path)[:12]}" for path in networks],
        **{name: getattr(options, name) for name in names},
        **{name: str(value) for name, value in own.items()},
    }


def _describe_settings(settings: Settings, header: PackHeader) -> str:
    """Preset, steps and guidance in effect, where a row does not change them, and the seed."""
    preset = PRESETS[header.preset]
    steps = settings.steps or header.steps or preset.steps
    guidance = preset.guidance if header.guidance is None else header.guidance
    if settings.guidance is not None:
        guidance = settings.guidance
    return f"preset {header.preset}, {steps} steps, guidance {guidance:g}, seed {settings.seed}"


@contextmanager
def _models(options: argparse.Namespace) -> Iterator[Models]:
    """The hand pack named, made of random numbers, or the trained one, with its networks.

    Without any, what repaints hands without one.
    """
    from realishuman.pipeline.standalone import packs_for

    with packs_for([options.pack] if options.pack else [], (HAND,)) as packs:
        if packs:
            yield open_packs(packs, options)
        elif hasattr(options, "engine") and options.engine != [PACK]:
            yield _open(packs, options)
        else:
            raise PackError(
                "no trained pack for hands is installed: name the pack to measure with --pack; "
                "--pack demo measures the one that is shipped."
            )


def open_packs(packs: Sequence[str | Path], options: argparse.Namespace) -> Models:
    """Models with a pack for hands."""
    models = _open(packs, options)
    if HAND not in models.packs:
        raise PackError(
            f"{', '.join(map(str, packs))} repairs parts of kind {', '.join(models.packs)}, but "
            "the synthetic pairs show hands: name a pack for hands."
        )
    return models


def _open(packs: Sequence[str | Path], options: argparse.Namespace) -> Models:
    """Models with these packs, and a checkpoint where a command takes one and it is named."""
    from realishuman.pipeline.standalone import open_models

    if not hasattr(options, "checkpoint"):
        return open_models(packs, options.device, options.precision)
    wishes = wishes_from(options, options.engine or ())
    return open_models(
        packs, options.device, options.precision, checkpoint=options.checkpoint, wishes=wishes
    )


def _extractor(models: Models) -> tuple[Extractor | None, tuple[str, ...]]:
    """What distances are measured with, or why they are left out."""
    from realishuman.evaluate.distances import PackEncoder

    if HAND not in models.packs:
        return None, ()
    header = models.packs[HAND].header
    if header.weights == "random":
        return None, (evaluate_folders.RANDOM_ENCODER,)
    return PackEncoder(models.backbone(HAND), header), ()
