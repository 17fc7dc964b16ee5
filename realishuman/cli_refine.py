"""realishuman refine: pictures from files to files."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from realishuman.cli_options import (
    OK,
    PICTURES,
    SOME_FAILED,
    add_boxes,
    add_settings,
    boxes_from,
    settings_from,
)
from realishuman.errors import PackError
from realishuman.settings import Settings


def add_parser(commands: Any) -> None:
    """Add `refine` to the command line's commands."""
    command = commands.add_parser(
        "refine", help="refine pictures", description="Find hands and faces and repaint them."
    )
    command.add_argument("pictures", nargs="+", help=PICTURES)
    command.add_argument(
        "-o", "--output", required=True, help="file for one picture, folder for several"
    )
    command.add_argument(
        "--pack",
        action="append",
        default=[],
        help="pack file, one per part kind, or the name of a set of installed packs, such as "
        "'official'; 'random' makes packs of random weights that paint noise, to try the wiring "
        "(default: the packs that are installed)",
    )
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    command.add_argument(
        "--precision",
        default="auto",
        help="float32, float16, bfloat16 or auto: float16 on CUDA, else float32; on a CPU "
        "bfloat16 halves memory and float16 is very slow (default: auto)",
    )
    command.add_argument(
        "--compare",
        action="store_true",
        help="also save each picture before and after, side by side, as NAME-compare.png",
    )
    command.add_argument("--json", metavar="FILE", help="write the report of all pictures here")
    command.add_argument("--save-steps", metavar="DIR", help="save intermediate pictures here")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    add_boxes(command)
    add_settings(command, [spec.name for spec in fields(Settings)])
    command.set_defaults(run=_refine)


def _refine(options: argparse.Namespace) -> int:
    from realishuman.batch import refine_files
    from realishuman.hosts.standalone import Bar, open_models, packs_for
    from realishuman.places import expand, targets

    settings = settings_from(options)
    boxes = boxes_from(options, settings)
    pictures = expand(options.pictures)
    outputs = targets(pictures, options.output)
    with packs_for(options.pack, settings.parts) as packs, Bar(options.quiet) as bar:
        models = open_models(packs, options.device, options.precision)
        models.detector_for(settings.detector)  # before any picture: its files may be missing
        if not models.packs.keys() & set(settings.parts):
            raise PackError(
                f"{', '.join(options.pack)} repairs parts of kind {', '.join(models.packs)}, but "
                f"--parts asks for {', '.join(settings.parts)}: name another pack or other parts."
            )
        for pack in models.packs.values():
            if pack.header.weights != "trained":
                bar.say(_caveat(pack.header.weights, pack.header.name))
        failed = refine_files(
            list(zip(pictures, outputs, strict=True)),
            models,
            settings,
            boxes=boxes,
            steps_folder=Path(options.save_steps) if options.save_steps else None,
            compare=options.compare,
            report=Path(options.json) if options.json else None,
            progress=bar,
            say=bar.say,
        )
    return SOME_FAILED if failed else OK


def _caveat(weights: str, name: str) -> str:
    if weights == "random":
        return f"{name}: RANDOM weights. They paint noise and only prove that everything runs."
    return f"{name}: demo weights: small networks that show the method, no more."
