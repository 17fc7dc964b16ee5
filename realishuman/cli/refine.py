"""realishuman refine: pictures from files to files."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.cli.checkpoint_options import add_checkpoint, wishes_from
from realishuman.cli.clips import add_clip_options, find_clips, plan_clips, refine_clips
from realishuman.cli.options import (
    OK,
    PICTURES,
    SOME_FAILED,
    add_boxes,
    add_settings,
    boxes_from,
    check_device,
    settings_from,
)
from realishuman.errors import PackError, SettingsError
from realishuman.settings import AUTO, CHECKPOINT, HANDREFINER, PACK, Settings
from realishuman.terminal import Bar

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.batch.outputs import Outputs
    from realishuman.detect.base import GivenBox
    from realishuman.pipeline.models import Models

PRECISIONS = (
    "auto",
    "float32",
    "float16",
    "bfloat16",
)  # as standalone, which imports torch


def add_parser(commands: Any) -> None:
    """Add `refine` to the command line's commands."""
    command = commands.add_parser(
        "refine",
        help="refine pictures and videos",
        description="Find hands and faces and repaint them.",
    )
    command.add_argument("pictures", nargs="+", help=PICTURES)
    _add_results(command)
    _add_networks(command)
    _add_records(command)
    add_clip_options(command)
    add_boxes(command)
    add_settings(command, [spec.name for spec in fields(Settings)])
    command.set_defaults(run=_refine)


def _add_results(command: Any) -> None:
    """Where results go, and which there are."""
    command.add_argument(
        "-o",
        "--output",
        required=True,
        help="file for one picture, folder for several; the tree of a folder is recreated in it",
    )
    command.add_argument(
        "--format",
        metavar="NAME",
        help="format of the results: png, jpg, webp ... (default: the original's)",
    )
    command.add_argument(
        "--suffix",
        default="",
        metavar="TEXT",
        help="append this to the names of results, which may then go beside the originals",
    )
    command.add_argument(
        "--skip-existing", action="store_true", help="skip pictures whose result already exists"
    )
    command.add_argument(
        "--only",
        metavar="NUMBERS",
        help="refine only these parts, for example 1,3; inspect shows the numbers",
    )


def _add_networks(command: Any) -> None:
    """What repaints, and where it runs."""
    command.add_argument(
        "--pack",
        action="append",
        default=[],
        help="pack file, one per part kind, or the name of a set of installed packs, such as "
        "'official'; 'demo' demonstrates the method on rendered hands; 'random' makes "
        "packs of random weights that paint noise, to test the setup (default: the "
        "trained packs that are installed)",
    )
    add_checkpoint(command)
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    command.add_argument(
        "--precision",
        default="auto",
        choices=PRECISIONS,
        help="auto: float16 on CUDA, else float32; on a CPU bfloat16 halves memory and float16 is "
        "very slow (default: auto)",
    )


def _add_records(command: Any) -> None:
    """What else is saved or said."""
    command.add_argument(
        "--compare",
        action="store_true",
        help="also save each picture before and after, side by side, with each refined part large "
        "below, as NAME-compare.png",
    )
    command.add_argument("--json", metavar="FILE", help="write the report of all pictures here")
    command.add_argument("--save-steps", metavar="DIR", help="save intermediate pictures here")
    command.add_argument(
        "--no-metadata",
        action="store_true",
        help="do not record in refined pictures what was done to them",
    )
    command.add_argument("--quiet", action="store_true", help="show no progress bars")


def with_suffix_joined(arguments: Sequence[str]) -> list[str]:
    """`--suffix -fixed` as `--suffix=-fixed`: argparse takes a leading dash for an option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] == "--suffix" and word[:1] == "-" != word[1:2]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _refine(options: argparse.Namespace) -> int:
    """Check all that can be checked without networks, which take seconds to open; then refine."""
    from realishuman.batch.outputs import plan
    from realishuman.batch.places import arrange, try_folder

    settings = settings_from(options)
    boxes = boxes_from(options, settings)
    if clips := find_clips(options):
        with Bar(options.quiet) as bar:
            prepared = plan_clips(options, clips, settings, boxes)
            with opened_models(options, settings, bar) as models:
                return SOME_FAILED if refine_clips(prepared, models, bar) else OK
    only = _numbers(options.only)
    check_device(options.device)
    steps = Path(options.save_steps) if options.save_steps else None
    report = Path(options.json) if options.json else None
    arranged = arrange(
        options.pictures,
        options.output,
        form=_format(options.format),
        suffix=_suffix(options.suffix),
        apart_from=filter(None, [steps]),
    )
    if only and len(arranged.pairs) > 1:
        raise SettingsError(
            f"--only names parts of one picture, but there are {len(arranged.pairs)}."
        )
    outputs = plan(arranged.pairs, compare=options.compare, steps_folder=steps, report=report)
    if report is not None and report.is_dir():
        raise SettingsError(f"the report {report} is a folder; name a file in it.")
    for folder in filter(None, (steps, report and report.parent)):
        try_folder(folder)
    with Bar(options.quiet) as bar:
        if arranged.passed_over:
            bar.say(arranged.passed_over)
        done = [one for one in outputs if options.skip_existing and one.target.exists()]
        if done:
            bar.say(f"{len(done)} of {len(outputs)} results are there already.")
        if len(done) == len(outputs) and report is None:
            return OK
        todo = [one for one in outputs if one not in done]
        failed = _run(options, settings, boxes, only, todo, done, report, bar)
    return SOME_FAILED if failed else OK


def _run(
    options: argparse.Namespace,
    settings: Settings,
    boxes: Sequence[GivenBox],
    only: Collection[int] | None,
    todo: Sequence[Outputs],
    done: Sequence[Outputs],
    report: Path | None,
    bar: Bar,
) -> int:
    """Open the networks and refine; returns how many pictures failed."""
    from realishuman.batch.run import refine_files

    with opened_models(options, settings, bar) as models:
        return refine_files(
            todo,
            models,
            settings,
            boxes=boxes,
            only=only,
            report=report,
            skipped=done,
            describe=not options.no_metadata,
            watch=bar,
        )


@contextmanager
def opened_models(options: argparse.Namespace, settings: Settings, bar: Bar) -> Iterator[Models]:
    """The networks that the options name; the bar hears what is to be said of them."""
    from realishuman.pipeline.engines import engine_of
    from realishuman.pipeline.standalone import lacking, open_models, packs_for, remarks

    wishes = wishes_from(options, [settings.engine])
    # packs that no part needs may be damaged
    kinds = [kind for kind in settings.parts if engine_of(kind, settings.engine, True) == PACK]
    with packs_for(options.pack, kinds or (settings.parts if options.pack else ())) as packs:
        models = open_models(
            packs,
            options.device,
            options.precision,
            checkpoint=options.checkpoint,
            wishes=wishes,
        )
        takes = settings.engine in (CHECKPOINT, HANDREFINER) or (
            settings.engine == AUTO and settings.allow_checkpoint
        )
        if options.checkpoint and not takes:
            bar.say(
                f"The engine {settings.engine} does not use the checkpoint: add --engine "
                "checkpoint, or --allow-checkpoint to let auto take it."
            )
        models.detector_for(settings.detector)  # before any picture: its files may be missing
        if not options.pack:
            models.remarks, models.lacking = remarks(), lacking(settings.parts)
        if options.pack and not models.packs.keys() & set(settings.parts):
            raise PackError(
                f"{', '.join(options.pack)} repairs parts of kind {', '.join(models.packs)}, but "
                f"--parts asks for {', '.join(settings.parts)}: name another pack or other parts."
            )
        for kind, pack in models.packs.items():
            if kind in kinds and pack.header.weights != "trained":
                bar.say(_caveat(pack.header.weights, pack.header.name))
        yield models


def _numbers(text: str | None) -> list[int] | None:
    """The parts that --only names. Raises SettingsError unless these are numbers from 1."""
    if text is None:
        return None
    numbers = [int(one) if one.strip().isdecimal() else 0 for one in text.split(",")]
    if min(numbers) < 1:
        raise SettingsError(f"--only must name parts by their numbers, as in 1,3, not {text!r}")
    return numbers


def _format(name: str | None) -> str | None:
    """The results' extension without its dot. Raises SettingsError if none can be written so."""
    if name is None:
        return None
    from realishuman.imaging.formats import writable

    form = name.lower().removeprefix(".")
    if f".{form}" not in writable():
        known = ", ".join(sorted(one[1:] for one in writable()))
        raise SettingsError(f"--format must be one of {known}, not {name!r}")
    return form


def _suffix(text: str) -> str:
    """The results' suffix. Raises SettingsError if it cannot stand in a file's name."""
    if any(sign in text for sign in ("/", "\\", "\0")):
        raise SettingsError(f"--suffix must be a part of a file's name, not {text!r}")
    return text


def _caveat(weights: str, name: str) -> str:
    if weights == "random":
        return f"{name}: RANDOM weights. They paint noise and only prove that everything runs."
    return f"{name}: demo weights: small networks that only demonstrate the method."
