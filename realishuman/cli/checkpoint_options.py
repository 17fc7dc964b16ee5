"""Options that name a checkpoint of the user's own, and the files that belong to it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.errors import SettingsError
from realishuman.settings import HANDREFINER

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.backbones.wishes import Wishes

LORA_WEIGHT, CONTROL_WEIGHT = 1.0, 0.55  # the second is HandRefiner's
BESIDE = ("lora", "vae", "embedding", "controlnet", "tokenizer", "prediction")


def add_checkpoint(command: Any) -> None:
    """Add --checkpoint and what goes with it."""
    command.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="a Stable Diffusion 1.x, 2.x or XL of your own for --engine checkpoint: a "
        ".safetensors file or a diffusers folder; needs the packages diffusers and transformers",
    )
    command.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="FILE:WEIGHT",
        help="a LoRA for the checkpoint, as a .safetensors file; may be repeated (weight: 1)",
    )
    command.add_argument(
        "--vae", metavar="FILE", help="a VAE in place of the checkpoint's own, likewise"
    )
    command.add_argument(
        "--embedding",
        action="append",
        default=[],
        metavar="FILE",
        help="a textual inversion, likewise; the file's name stands for it in prompts; may be "
        "repeated",
    )
    command.add_argument(
        "--controlnet",
        metavar="FILE:WEIGHT",
        help="a depth ControlNet for the checkpoint, likewise; it is shown the mesh's depth "
        f"(weight: {CONTROL_WEIGHT})",
    )
    command.add_argument(
        "--tokenizer",
        metavar="FOLDER",
        help="where CLIP's vocab.json and merges.txt lie, for a --checkpoint that is a single file "
        "(default: those of the package open-clip-torch, if it is installed)",
    )
    command.add_argument(
        "--prediction",
        choices=("epsilon", "v_prediction"),
        default="",
        help="what the checkpoint predicts, where the file is wrong about it or does not say",
    )


def wishes_from(options: argparse.Namespace, engines: Collection[str] = ()) -> Wishes:
    """What is said of the checkpoint.

    engines  that are asked for.
    Raises   SettingsError if no checkpoint is named, or an engine lacks something.
    """
    from realishuman.backbones.wishes import Wishes

    given = [f"--{name}" for name in BESIDE if getattr(options, name)]
    if given and not options.checkpoint:
        raise SettingsError(
            f"{', '.join(given)} {'goes' if len(given) == 1 else 'go'} with a checkpoint: name one "
            "with --checkpoint FILE."
        )
    if HANDREFINER in engines and not (options.checkpoint and options.controlnet):
        raise SettingsError(
            f"--engine {HANDREFINER} needs an inpainting checkpoint of Stable Diffusion 1.5 and a "
            "depth ControlNet: name them with --checkpoint and --controlnet."
        )
    control = options.controlnet and _weighted("--controlnet", options.controlnet, CONTROL_WEIGHT)
    return Wishes(
        tokenizer=Path(options.tokenizer) if options.tokenizer else None,
        prediction=options.prediction,
        vae=Path(options.vae) if options.vae else None,
        loras=tuple(_weighted("--lora", text, LORA_WEIGHT) for text in options.lora),
        embeddings=tuple(map(Path, options.embedding)),
        control=control or None,
    )


def _weighted(flag: str, text: str, usual: float) -> tuple[Path, float]:
    """A file and its weight; what stands behind the last colon is one if it is a number."""
    name, colon, number = text.rpartition(":")
    try:
        weight = float(number) if colon else usual
    except ValueError:  # as in C:\it.safetensors
        return Path(text), usual
    if not math.isfinite(weight):
        raise SettingsError(f"{flag} must have a number for a weight, not {number!r}")
    return (Path(name) if colon else Path(text)), weight
