"""realishuman convert: a pack from released checkpoints."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from realishuman.advice import command
from realishuman.cli.options import OK
from realishuman.errors import PackError
from realishuman.settings import PART_KINDS


def add_parser(commands: Any) -> None:
    """Add `convert` to the command line's commands."""
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
        ("prompt", "SD 1.5 inpainting: text_encoder/model.safetensors, or embeddings made of it"),
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
    from realishuman.official.text_encoder import find_prompt_file
    from realishuman.packs.convert import convert
    from realishuman.packs.store import models_folder
    from realishuman.terminal import Bar

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
    with Bar() as bar, TemporaryDirectory(prefix="realishuman-") as scratch:
        prompt = options.prompt and find_prompt_file(options.prompt, Path(scratch))
        convert(
            target,
            options.kind,
            stage_one=options.stage_one,
            stage_two=options.stage_two,
            vae=options.vae,
            vae_stage_two=options.vae_stage_two,
            dinov2=options.dinov2,
            prompt=prompt,
            dino_positions=options.dino_positions,
            progress=bar,
        )
        found = target.parent.resolve() == folder.resolve() and target.suffix == ".safetensors"
        use = "will use it" if found else f"uses it with --pack {target}"
        bar.say(f"{target} is ready; `{command('refine')}` {use}.")
    return OK
