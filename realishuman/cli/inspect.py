"""realishuman inspect: a sheet of what would be refined."""

from __future__ import annotations

import argparse
from typing import Any

from realishuman.cli.options import (
    OK,
    PICTURES,
    SOME_FAILED,
    add_boxes,
    add_settings,
    boxes_from,
    settings_from,
)
from realishuman.settings import PART_KINDS, PER_KIND
from realishuman.terminal import Bar


def add_parser(commands: Any) -> None:
    """Add `inspect` to the command line's commands."""
    command = commands.add_parser(
        "inspect",
        help="draw what would be refined",
        description="Nothing is repainted, and no pack is needed.",
    )
    command.add_argument("pictures", nargs="+", help=PICTURES)
    command.add_argument("-o", "--output", required=True, help="PNG file, or folder for several")
    command.add_argument(
        "--pack",
        action="append",
        default=[],
        help="draw the crop, pose and masks that this pack uses (default: those of the "
        "installed trained packs, or of the released ones)",
    )
    command.add_argument("--quiet", action="store_true", help="show no progress bars")
    add_boxes(command)
    names = (
        "parts",
        "detector",
        "min_size",
        "min_area",
        "max_area",
        "max_parts",
        "margin",
        "engine",
        "preset",
        "gate",
    )
    own = [f"{kind}_{name}" for kind in PART_KINDS for name in PER_KIND]
    add_settings(command, [*names, "mesh", *PER_KIND, *own])
    command.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    from realishuman.batch.places import arrange

    settings = settings_from(options)
    boxes = boxes_from(options, settings)
    arranged = arrange(options.pictures, options.output, form="png")

    from realishuman.batch.sheets import inspect_files
    from realishuman.pipeline.models import Models
    from realishuman.pipeline.standalone import find_named_packs

    models = Models(find_named_packs(options.pack, settings.parts))
    models.detector_for(settings.detector)  # before any picture: its files may be missing
    with Bar(options.quiet) as bar:
        if arranged.passed_over:
            bar.say(arranged.passed_over)
        failed = inspect_files(arranged.pairs, models, settings, boxes, bar)
    return SOME_FAILED if failed else OK
