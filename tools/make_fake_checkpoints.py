"""Writes randomly initialised files in exactly the layout `realishuman convert` reads.

    python tools/make_fake_checkpoints.py FOLDER [--full] [--seed N]

For tests and for trying out the conversion. With --full the files have the released sizes
(stage one 6.9 GB, stage two 3.4 GB, DINOv2-large 1.2 GB, VAE 0.3 GB). Checkpoints are laid out
first and filled in on disk, so that no more than DINOv2 is held in memory; the resident size also
counts the mapped file. Before torch 2.6 a whole checkpoint is held in memory.
"""

from __future__ import annotations

import argparse
import mmap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from realishuman.packs import shapes
from realishuman.packs.checkpoint import RANDOM, RANDOM_KEY
from realishuman.packs.random_pack import SMALL, initial_values
from realishuman.packs.shapes import SD15, PackSizes, Shapes


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="the released sizes, 12 GB in all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for path in write_all(options.folder, SD15 if options.full else SMALL, options.seed).values():
        print(f"{path.stat().st_size:>13,} {path}")


def write_all(folder: Path, sizes: PackSizes = SMALL, seed: int = 0) -> dict[str, Path]:
    """Write all files; keys are the arguments of packs.convert.convert."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "stage_one": folder / "checkpoint-stage1.ckpt",
        "stage_two": folder / "checkpoint-stage2.ckpt",
        "vae": folder / "vae.safetensors",
        "dinov2": folder / "dinov2.safetensors",
        "prompt": folder / "prompt.safetensors",
    }
    write_checkpoint(paths["stage_one"], stage_one_shapes(sizes), seed)
    write_checkpoint(paths["stage_two"], stage_two_shapes(sizes), seed)
    encoder = replace(sizes.image_encoder, side=37 * sizes.image_encoder.patch)
    plain = {
        "vae": shapes.vae_shapes(sizes.vae),
        "dinov2": shapes.encoder_shapes(encoder),
        "prompt": shapes.prompt_shapes(sizes.prompt, sizes.stage_two_unet.context),
    }
    for name, part in plain.items():
        save_file({n: initial_values(f"{name}.{n}", s, seed) for n, s in part.items()}, paths[name])
    return paths


def stage_one_shapes(sizes: PackSizes) -> Shapes:
    """Names as released, with the prefix of the parallel wrapper they were trained in."""
    unet = shapes.unet_shapes(sizes.unet, in_channels=4)
    parts = {
        "unet_main": unet,
        "unet_ref": unet,
        "pose_guider": shapes.pose_guider_shapes(sizes.pose, sizes.unet.channels[0]),
        "clip_projector": shapes.projector_shapes(sizes.image_encoder.width, sizes.unet.context),
    }
    return {
        f"module.{part}.{name}": s for part, names in parts.items() for name, s in names.items()
    }


def stage_two_shapes(sizes: PackSizes) -> Shapes:
    """As above; only the inpainting UNet."""
    unet = shapes.unet_shapes(sizes.stage_two_unet, in_channels=9)
    return {f"module.unet_main.{name}": shape for name, shape in unet.items()}


def write_checkpoint(path: Path, layout: Mapping[str, tuple[int, ...]], seed: int) -> None:
    """torch.save of {epoch, global_step, state_dict} in float32, filled in tensor by tensor."""
    around = {"epoch": 0, "global_step": 50_000, RANDOM_KEY: RANDOM}
    if not hasattr(torch.serialization, "skip_data"):
        tensors = {name: initial_values(name, shape, seed) for name, shape in layout.items()}
        torch.save({**around, "state_dict": tensors}, path)
        return
    untouched = {name: torch.empty(shape) for name, shape in layout.items()}  # takes no memory yet
    with torch.serialization.skip_data():
        torch.save({**around, "state_dict": untouched}, path)
    with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        on_disk = torch.load(path, mmap=True, weights_only=True)["state_dict"]
    for name, tensor in on_disk.items():
        tensor.copy_(initial_values(name, tuple(tensor.shape), seed))


if __name__ == "__main__":
    main()
