"""realishuman evaluate pairs | ablations | folders | judge -o DIR: JSON, Markdown, HTML."""

from __future__ import annotations

import argparse
import hashlib
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman import __version__
from realishuman.errors import PackError, SettingsError
from realishuman.evaluate import cli_folders, cli_judges
from realishuman.settings import PRESETS, Settings

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.evaluate.distances import Extractor
    from realishuman.evaluate.pairs import Method
    from realishuman.models import Models
    from realishuman.weights.header import PackHeader

OK = 0
STEPS = "20,50"


def add_parser(commands: Any) -> None:
    """Add `evaluate` to the command line's commands."""
    parser = commands.add_parser(
        "evaluate", help="measure repairs", description=(__doc__ or "").strip()
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="task")
    command = tasks.add_parser(
        "pairs", help="repair held-out synthetic hands, whose truth is known"
    )
    _add_pairs(command, _pairs, poses="true,estimated", harm=True, judge=True)
    command.add_argument("--steps", type=int, help="DDIM steps (default: the pack's)")
    command = tasks.add_parser("ablations", help="the same with one thing changed each")
    _add_pairs(command, _ablations, poses="true", harm=False, judge=False)
    command.add_argument(
        "--steps", default=STEPS, help=f"numbers of DDIM steps to compare (default: {STEPS})"
    )
    cli_folders.add_task(tasks)
    cli_judges.add_task(tasks)


def _add_pairs(
    command: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    poses: str,
    harm: bool,
    judge: bool,
) -> None:
    command.add_argument("-o", "--output", required=True, type=Path, help="folder of the report")
    command.add_argument(
        "--pack",
        help="pack file; 'random' tries the wiring and measures nothing (default: the installed "
        "one for hands)",
    )
    command.add_argument("--count", type=int, default=500, help="pairs (default: 500)")
    command.add_argument(
        "--first", type=int, help="first seed; training takes its seeds from 0 up (default: 10^9)"
    )
    command.add_argument("--side", type=int, default=256, help="of the pictures (default: 256)")
    command.add_argument("--poses", default=poses, help=f"true, estimated (default: {poses})")
    command.add_argument("--guidance", type=float, help="guidance scale (default: the pack's)")
    command.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    command.add_argument(
        "--harm", action=argparse.BooleanOptionalAction, default=harm, help="also try clean hands"
    )
    command.add_argument(
        "--judge",
        action=argparse.BooleanOptionalAction,
        default=judge,
        help="keep the original where the pack's judge finds the repair no better",
    )
    command.add_argument(
        "--shown", type=int, default=24, help="pairs on sheet.jpg, at most 200 (default: 24)"
    )
    command.add_argument(
        "--at-once", type=int, default=8, help="pairs refined together (default: 8)"
    )
    command.add_argument(
        "--rendered",
        type=Path,
        help="folder of rendered pairs, to share between reports (default: one beside the report)",
    )
    command.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    command.add_argument("--precision", default="auto", help="as for refine (default: auto)")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=run)


def _pairs(options: argparse.Namespace) -> int:
    from realishuman.evaluate.pairs import Method, PipelineRepair

    settings = _settings(options, options.steps)

    def methods(models: Models) -> list[Method]:
        return [
            Method("repaired", pose, PipelineRepair(models, settings, pose))
            for pose in _poses(options)
        ]

    return _evaluate(options, "Repair of synthetic hands", settings, methods, stages=True)


def _ablations(options: argparse.Namespace) -> int:
    from realishuman.evaluate.ablations import LEFT_OUT, variants

    settings = _settings(options, None)
    try:
        steps = [int(text) for text in options.steps.split(",")]
    except ValueError as error:
        raise SettingsError(f"--steps must look like {STEPS}, not {options.steps!r}") from error

    def methods(models: Models) -> list[Method]:
        return [m for pose in _poses(options) for m in variants(models, settings, pose, steps)]

    return _evaluate(
        options, "Ablations on synthetic hands", settings, methods, stages=False, notes=(LEFT_OUT,)
    )


def _settings(options: argparse.Namespace, steps: int | None) -> Settings:
    return Settings(
        parts=("hand",),
        steps=steps,
        guidance=options.guidance,
        seed=options.seed,
        judge=options.judge,
    )


def _poses(options: argparse.Namespace) -> list[str]:
    from realishuman.evaluate.pairs import POSES

    poses = list(dict.fromkeys(name.strip() for name in options.poses.split(",")))
    if not set(poses) <= set(POSES):
        raise SettingsError(f"--poses must name some of {', '.join(POSES)}, not {options.poses!r}")
    return poses


def _evaluate(
    options: argparse.Namespace,
    title: str,
    settings: Settings,
    methods: Callable[[Models], list[Method]],
    *,
    stages: bool,
    notes: tuple[str, ...] = (),
) -> int:
    """Run protocol A and write its report, also of what was done when it is stopped."""
    from realishuman.detect.embedded import EmbeddedDetector
    from realishuman.evaluate.kept import Kept
    from realishuman.evaluate.rendered import Rendered
    from realishuman.evaluate.report import write
    from realishuman.evaluate.run import Run, Scope, evaluate
    from realishuman.evaluate.scorer import Scorer
    from realishuman.evaluate.tables import pairs_report
    from realishuman.hosts.standalone import Bar
    from realishuman.places import try_folder
    from realishuman.train.guard import locked

    seeds = _seeds(options)
    _poses(options)
    try_folder(options.output)
    with (
        locked(options.output, "evaluating"),
        _models(options) as models,
        Bar(options.quiet) as bar,
    ):
        header = models.packs["hand"].header
        extractor, remark = _extractor(models)
        chosen, detector = methods(models), EmbeddedDetector("cpu")
        scope = Scope(
            chosen, detector, extractor, options.harm, options.shown, stages, scorer=Scorer()
        )
        facts = _facts(options, models, settings, seeds)
        render = Rendered(options.rendered or options.output / "rendered")
        names = [f"{method.name} {method.pose}".strip() for method in scope.methods]
        mark = _mark(options, models, render.folder.name, names, title)
        store = Kept(options.output, mark)
        run = Run()
        try:
            evaluate(
                run,
                seeds,
                scope,
                side=options.side,
                progress=bar,
                render=render,
                store=store,
                at_once=options.at_once,
            )
        finally:
            if run.measures:
                report = pairs_report(title, run, header.weights, facts, (*notes, *remark))
                paths = write(report, options.output)
                bar.say("\n".join([report.warning, *map(str, paths)]).strip())
    return OK


def _seeds(options: argparse.Namespace) -> range:
    from realishuman.evaluate.pairs import FIRST_SEED

    first = FIRST_SEED if options.first is None else options.first
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
    header = models.packs["hand"].header
    return {
        "pack": f"{header.name} ({header.weights}, {header.training_step} steps, "
        f"{header.resolution} px, {header.pose} pose)",
        "seeds": f"{seeds[0]} to {seeds[-1]}",
        "side": options.side,
        "poses": ", ".join(_poses(options)),
        "settings": _chosen(settings, header),
        "device": f"{models.backbone('hand').device} on {platform.machine()}",
    }


def _mark(
    options: argparse.Namespace, models: Models, generator: str, methods: list[str], title: str
) -> dict[str, Any]:
    """What a pair's result depends on, besides its number."""
    from realishuman.judge.network import FOLDER

    names = ("first", "side", "steps", "guidance", "seed", "harm", "shown", "precision", "judge")
    sums = hashlib.blake2b(digest_size=16)
    for path in (models.packs["hand"].path, *sorted(FOLDER.glob("*.onnx"))):
        with path.open("rb") as file:
            while block := file.read(2**22):
                sums.update(block)
    return {
        "title": title,
        "version": __version__,
        "generator": generator,
        "methods": methods,
        "networks": sums.hexdigest(),
        **{name: getattr(options, name) for name in names},
    }


def _chosen(settings: Settings, header: PackHeader) -> str:
    """Steps and guidance in effect, where a row does not change them, and the seed."""
    preset = PRESETS[header.preset]
    steps = settings.steps or header.steps or preset.steps
    guidance = preset.guidance if header.guidance is None else header.guidance
    if settings.guidance is not None:
        guidance = settings.guidance
    judge = "judge on" if settings.judge else "judge off, every repair is kept"
    return (
        f"preset {header.preset}, {steps} steps, guidance {guidance:g}, seed {settings.seed}, "
        f"{judge}"
    )


@contextmanager
def _models(options: argparse.Namespace) -> Iterator[Models]:
    """The hand pack named, made of random numbers, or installed, with its networks."""
    from realishuman.hosts.standalone import open_models, packs_for

    with packs_for([options.pack] if options.pack else [], ("hand",)) as packs:
        models = open_models(packs, options.device, options.precision)
        if "hand" not in models.packs:
            raise PackError(
                f"{options.pack} repairs parts of kind {', '.join(models.packs)}, but the "
                "synthetic pairs show hands: name a pack for hands."
            )
        yield models


def _extractor(models: Models) -> tuple[Extractor | None, tuple[str, ...]]:
    """What distances are measured with, or why they are left out."""
    from realishuman.evaluate.distances import PackEncoder

    header = models.packs["hand"].header
    if header.weights == "random":
        return None, (cli_folders.RANDOM_ENCODER,)
    return PackEncoder(models.backbone("hand"), header), ()
