"""realishuman refine: pictures from files to files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from realishuman.cli.checkpoint_options import add_checkpoint
from realishuman.cli.clips import add_clip_options, find_clips, plan_clips, refine_clips
from realishuman.cli.jobs import job_from, opened_models
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
from realishuman.cli.pictures import refine_pictures
from realishuman.errors import SettingsError
from realishuman.settings import Settings
from realishuman.terminal import Bar

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
    _add_workers(command)
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


def _add_workers(command: Any) -> None:
    """How many pictures are refined at once."""
    command.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="refine N pictures at once, each in a process with networks of its own (default: as "
        "many as there are cores for larger folders on a CPU without a pack, else 1)",
    )

    command.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="refine on a Ray cluster (docs/cluster.md); without an address Ray starts on this "
        "machine. --workers then limits the actors",
    )
    command.add_argument(
        "--cores",
        type=_count,
        metavar="N",
        help="with --ray: cores for each actor (default: 1)",
    )


def _count(text: str) -> int:
    """A number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not {text!r}")
    return int(text)


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
    settings = settings_from(options)
    boxes = boxes_from(options, settings)
    check_device(options.device)
    clips = find_clips(options)
    if not clips:
        return refine_pictures(options, settings, boxes)
    if options.workers or options.ray is not None:
        flag = "--workers" if options.workers else "--ray"
        raise SettingsError(f"{flag} is for pictures, but {clips[0]} is a clip.")
    prepared = plan_clips(options, clips, settings, boxes)
    job = job_from(options, settings, boxes)
    with Bar(options.quiet) as bar, opened_models(job, bar) as models:
        return SOME_FAILED if refine_clips(prepared, models, bar) else OK
