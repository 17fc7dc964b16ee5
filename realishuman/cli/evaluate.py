"""realishuman evaluate pairs | ablations | folders | ubc | judge -o DIR: JSON, Markdown, HTML."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.cli import evaluate_folders, evaluate_judges, evaluate_ubc
from realishuman.cli.checkpoint_options import add_checkpoint
from realishuman.cli.evaluate_report import open_packs, poses_of, report_pairs
from realishuman.cli.options import add_settings, settings_from
from realishuman.errors import SettingsError
from realishuman.settings import AUTO, CHECKPOINT, HANDREFINER, PACK, TRANSPLANT, Settings

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.evaluate.pairs import Method
    from realishuman.pipeline.models import Models

STEPS = "20,50"
TOLD = ("strength", "reference_weight", "prompt", "negative_prompt")  # settings of a checkpoint


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
    command.add_argument(
        "--engine",
        action="append",
        choices=(AUTO, PACK, CHECKPOINT, TRANSPLANT, HANDREFINER),
        help="what repaints the hands; may be repeated, for a row each (default: auto, which takes "
        "the pack, or the transplant without one)",
    )
    add_checkpoint(command)
    add_settings(command, TOLD)
    command.add_argument(
        "--gate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave hands alone that look right already, where meshes are estimated",
    )
    command.add_argument(
        "--photographs",
        type=Path,
        help="folder of photographs of good hands, which are made malformed, instead of rendered "
        "pairs; searched with its subfolders",
    )
    command = tasks.add_parser("ablations", help="the same, changing one thing at a time")
    _add_pairs(command, _ablations, poses="true", harm=False, judge=False)
    command.add_argument(
        "--steps", default=STEPS, help=f"numbers of DDIM steps to compare (default: {STEPS})"
    )
    command.add_argument(
        "--versus",
        action="append",
        default=[],
        metavar="PACK",
        help="another pack for hands, as a row of its own, such as one steered by depth; may be "
        "given several times",
    )
    evaluate_folders.add_task(tasks)
    evaluate_ubc.add_task(tasks)
    evaluate_judges.add_task(tasks)


def _add_pairs(
    command: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    poses: str,
    harm: bool,
    judge: bool,
) -> None:
    command.add_argument("-o", "--output", required=True, type=Path, help="folder for the report")
    command.add_argument(
        "--pack",
        help="pack file or name, such as 'demo'; 'random' only tests the setup and measures "
        "nothing (default: the installed trained one for hands)",
    )
    command.add_argument("--count", type=int, default=500, help="pairs (default: 500)")
    command.add_argument(
        "--first", type=int, help="first seed; training uses seeds from 0 up (default: 10^9)"
    )
    command.add_argument(
        "--side", type=int, default=256, help="side of the pictures, in pixels (default: 256)"
    )
    command.add_argument("--poses", default=poses, help=f"true, estimated (default: {poses})")
    command.add_argument("--guidance", type=float, help="guidance scale (default: the pack's)")
    command.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
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
    command.add_argument("--quiet", action="store_true", help="show no progress bars")
    command.set_defaults(run=run)


def _pairs(options: argparse.Namespace) -> int:
    from realishuman.evaluate.pairs import Method, PipelineRepair

    engines = list(dict.fromkeys(options.engine or [AUTO]))
    told = settings_from(argparse.Namespace(**{name: getattr(options, name) for name in TOLD}))
    settings = replace(
        _settings(options, options.steps),
        engine=engines[0],
        gate=options.gate,
        **{name: getattr(told, name) for name in TOLD},
    )

    def methods(models: Models) -> list[Method]:
        names = {one: f"repaired by {one}" if len(engines) > 1 else "repaired" for one in engines}
        return [
            Method(name, pose, PipelineRepair(models, replace(settings, engine=engine), pose))
            for engine, name in names.items()
            for pose in poses_of(options)
        ]

    title = "Repair of synthetic hands"
    if options.photographs:
        title = "Repair of photographed hands made malformed"
    return report_pairs(options, title, settings, methods, stages=options.photographs is None)


def _ablations(options: argparse.Namespace) -> int:
    from realishuman.evaluate.ablations import ONE_POSE, variants, versus

    settings = _settings(options, None)
    try:
        steps = [int(text) for text in options.steps.split(",")]
    except ValueError as error:
        raise SettingsError(f"--steps must look like {STEPS}, not {options.steps!r}") from error

    if len({Path(path).stem for path in options.versus}) < len(options.versus):
        raise SettingsError(
            "two packs of --versus have one name: rows are called after their files"
        )

    def methods(models: Models) -> list[Method]:
        others = [open_packs([path], options) for path in options.versus]
        return [
            method
            for pose in poses_of(options)
            for method in (
                *variants(models, settings, pose, steps),
                *(versus(other, settings, pose) for other in others),
            )
        ]

    notes = () if options.versus else (ONE_POSE,)
    title = "Ablations on synthetic hands"
    return report_pairs(options, title, settings, methods, stages=False, notes=notes)


def _settings(options: argparse.Namespace, steps: int | None) -> Settings:
    return Settings(
        parts=("hand",),
        steps=steps,
        guidance=options.guidance,
        seed=options.seed,
        judge=options.judge,
        gate=options.judge,
    )
