"""The command line: realishuman refine | inspect | models | setup | convert | train | evaluate |
doctor.

Exit codes: 0 done (also when a picture shows no part), 1 some pictures could not be refined,
2 an option cannot be used, 3 a model, pack or checkpoint is missing or damaged, 130 stopped by
Ctrl-C. Files are written whole or not at all.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from realishuman import __version__, cli_models, cli_setup
from realishuman.errors import ModelError, PackError, RealisHumanError, SettingsError
from realishuman.evaluate import cli as evaluate_cli
from realishuman.settings import PART_KINDS, PER_KIND, Settings
from realishuman.train import cli as train_cli

MODELS = "REALISHUMAN_MODELS"  # as weights.store, which imports torch
PICTURES = "files, folders or globs; write ./-name where a name starts with a dash"
OK, SOME_FAILED, BAD_OPTION, BAD_MODEL, STOPPED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        with _terminated_like_ctrl_c(), _models_in(options.models_dir):
            return int(options.run(options))
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept.", file=sys.stderr)
        return STOPPED
    except RealisHumanError as error:
        print(f"realishuman: {error}", file=sys.stderr)
        if isinstance(error, SettingsError):
            return BAD_OPTION
        return BAD_MODEL if isinstance(error, (PackError, ModelError)) else SOME_FAILED


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM unwind the run as Ctrl-C does, so that no partial or temporary file stays."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _models_in(folder: str | None) -> Iterator[None]:
    """Let packs and model files lie in this folder, for this command."""
    before = os.environ.get(MODELS)
    if folder:
        os.environ[MODELS] = os.path.abspath(folder)  # noqa: PTH100 - follows no link
    try:
        yield
    finally:
        os.environ.pop(MODELS, None)
        if before is not None:
            os.environ[MODELS] = before


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realishuman",
        description="Repair malformed hands and faces in generated pictures.",
        epilog="Exit codes: 0 done, 1 some pictures failed, 2 bad option, 3 model or pack missing "
        "or damaged, 130 stopped.",
    )
    parser.add_argument("--version", action="version", version=f"realishuman {__version__}")
    parser.add_argument(
        "--models-dir",
        metavar="DIR",
        help=f"folder of packs and model files (default: ${MODELS}, else "
        "~/.local/share/realishuman); a WebUI's is models/realishuman in the WebUI's folder",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_refine(commands)
    _add_inspect(commands)
    _add_convert(commands)
    train_cli.add_parser(commands)
    evaluate_cli.add_parser(commands)
    cli_models.add_parser(commands)
    cli_setup.add_parser(commands)
    command = commands.add_parser("doctor", help="say what works here and what is missing")
    command.set_defaults(run=_doctor)
    return parser


def _add_refine(commands: Any) -> None:
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
    _add_boxes(command)
    _add_settings(command, [spec.name for spec in fields(Settings)])
    command.set_defaults(run=_refine)


def _add_inspect(commands: Any) -> None:
    command = commands.add_parser(
        "inspect",
        help="draw what would be refined",
        description="Nothing is sampled, and no pack is needed.",
    )
    command.add_argument("pictures", nargs="+", help=PICTURES)
    command.add_argument("-o", "--output", required=True, help="PNG file, or folder for several")
    command.add_argument(
        "--pack",
        action="append",
        default=[],
        help="draw as this pack wants the crop, pose and masks (default: as the installed ones, "
        "or the released ones, want them)",
    )
    _add_boxes(command)
    names = (
        "parts",
        "detector",
        "min_size",
        "min_area",
        "max_area",
        "max_parts",
        "margin",
        "preset",
    )
    own = [f"{kind}_{name}" for kind in PART_KINDS for name in PER_KIND]
    _add_settings(command, [*names, "mesh", *PER_KIND, *own])
    command.set_defaults(run=_inspect)


def _add_boxes(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="KIND:X0,Y0,X1,Y1",
        help="search this place, in pixels, instead of the whole picture; may be repeated",
    )


def _add_settings(command: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """One option per setting, from its declaration."""
    for spec in fields(Settings):
        if spec.name in names:
            flag = "--" + spec.name.replace("_", "-")
            if spec.type == "bool":
                command.add_argument(
                    flag,
                    action=argparse.BooleanOptionalAction,
                    default=spec.default,
                    help=spec.metadata["help"],
                )
            else:
                metavar = "NAME" if spec.metadata["choices"] else "N"
                command.add_argument(flag, metavar=metavar, default=None, help=_help(spec))


def _help(spec: Field[Any]) -> str:
    meta, default = spec.metadata, spec.default
    shown = ",".join(default) if isinstance(default, tuple) else default
    limits = ", ".join(meta["choices"]) or f"{meta['low']} to {meta['high']}"
    shown = "as the pack and its preset say" if shown is None else shown
    return f"{meta['help']}; {limits} (default: {shown})"


def _settings(options: argparse.Namespace) -> Settings:
    """Settings from the options given. Raises SettingsError naming the option."""
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        given = getattr(options, spec.name, None)
        if given is None:
            continue
        values[spec.name] = _value(spec, given)
    return Settings(**values)


def _value(spec: Field[Any], given: Any) -> Any:
    kind = str(spec.type)
    if kind == "bool" or kind.startswith("str"):
        return given
    if kind.startswith("tuple"):
        return tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    try:
        return int(given) if kind.startswith("int") else float(given)
    except ValueError:
        return given  # Settings says what was expected


def _boxes(options: argparse.Namespace, settings: Settings) -> list[Any]:
    """The places given by --box. Raises SettingsError naming the one that cannot be used."""
    from realishuman.detect.base import GivenBox
    from realishuman.imaging.boxes import Box

    boxes = []
    for text in options.box:
        kind, _, numbers = text.partition(":")
        try:
            x0, y0, x1, y1 = (float(number) for number in numbers.split(","))
        except ValueError:
            x0 = y0 = x1 = y1 = 0.0
        finite = all(map(math.isfinite, (x0, y0, x1, y1)))
        if kind not in PART_KINDS or not (finite and x1 > x0 and y1 > y0):
            raise SettingsError(
                f"--box must look like hand:120,80,260,230 with x0 < x1 and y0 < y1, not {text!r}"
            )
        if kind not in settings.parts:
            raise SettingsError(
                f"--box {text} names a {kind}, but --parts asks for {', '.join(settings.parts)}."
            )
        boxes.append(GivenBox(kind, Box(x0, y0, x1, y1)))
    return boxes


def _refine(options: argparse.Namespace) -> int:
    from realishuman.batch import refine_files
    from realishuman.hosts.standalone import Bar, open_models, packs_for
    from realishuman.places import expand, targets

    settings = _settings(options)
    boxes = _boxes(options, settings)
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


def _inspect(options: argparse.Namespace) -> int:
    from realishuman.batch import inspect_files
    from realishuman.hosts.standalone import Bar, named_packs
    from realishuman.models import Models
    from realishuman.places import expand, targets
    from realishuman.weights.store import best

    settings = _settings(options)
    boxes = _boxes(options, settings)
    pictures = expand(options.pictures)
    outputs = targets(pictures, options.output, suffix=".png")
    models = Models(named_packs(options.pack, settings.parts) or best(settings.parts))
    models.detector_for(settings.detector)  # before any picture: its files may be missing
    failed = inspect_files(
        list(zip(pictures, outputs, strict=True)),
        models,
        settings,
        boxes,
        Bar(quiet=True).say,
    )
    return SOME_FAILED if failed else OK


def _add_convert(commands: Any) -> None:
    command = commands.add_parser(
        "convert",
        help="make a pack from released checkpoints",
        description="Turns the checkpoints of the RealisHuman release into one pack per part kind. "
        "Nothing is downloaded; no code in a checkpoint is run.",
    )
    command.add_argument("kind", choices=PART_KINDS, help="part kind the checkpoints are for")
    command.add_argument("-o", "--output", help="pack file (default: in the models folder)")
    for name, text in (
        ("stage-one", "checkpoint-stage1-KIND.ckpt"),
        ("stage-two", "checkpoint-stage2-KIND.ckpt"),
        ("vae", "stabilityai/sd-vae-ft-mse: diffusion_pytorch_model.safetensors"),
        ("vae-stage-two", "VAE of SD 1.5 inpainting (default: the same VAE)"),
        ("dinov2", "facebook/dinov2-large: model.safetensors"),
        ("prompt", "safetensors with the text embeddings `conditional` and `unconditional`"),
    ):
        command.add_argument(f"--{name}", metavar="FILE", type=Path, help=text)
    command.add_argument(
        "--dino-positions",
        choices=("old", "new"),
        default="old",
        help="how DINOv2's position table is resized: as transformers did when the weights were "
        "released, or as it does now (default: old)",
    )
    command.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> int:
    from realishuman.hosts.standalone import Bar
    from realishuman.weights.convert import convert
    from realishuman.weights.store import models_folder

    folder = models_folder()
    if not options.output:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PackError(
                f"the models folder {folder} cannot be made ({error.strerror}): name a pack file "
                "with -o, or another folder in REALISHUMAN_MODELS."
            ) from error
    target = Path(options.output or folder / f"{options.kind}.safetensors")
    with Bar() as bar:
        convert(
            target,
            options.kind,
            stage_one=options.stage_one,
            stage_two=options.stage_two,
            vae=options.vae,
            vae_stage_two=options.vae_stage_two,
            dinov2=options.dinov2,
            prompt=options.prompt,
            dino_positions=options.dino_positions,
            progress=bar,
        )
        found = target.parent.resolve() == folder.resolve() and target.suffix == ".safetensors"
        use = "will use it" if found else f"uses it with --pack {target}"
        bar.say(f"{target} is ready; `realishuman refine` {use}.")
    return OK


def _doctor(_options: argparse.Namespace) -> int:
    from realishuman.doctor import report

    lines, healthy = report()
    print("\n".join(lines))
    return OK if healthy else BAD_MODEL


if __name__ == "__main__":
    sys.exit(main())
