"""The files a pack is converted from: where they come from, and whether they are the right ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from realishuman.errors import PackError
from realishuman.packs.checkpoint import Checkpoint, open_checkpoint
from realishuman.packs.pack_writer import Entry
from realishuman.packs.shapes import OLD_VAE_ATTENTION, Shape, Shapes, differences

PROMPT = "Natural inpainting the area around the hand"  # of both kinds, also faces
_AUTHORS = "https://github.com/Wangbenzhi/RealisHuman"
_OFFICIAL = {  # argument of convert -> the file it wants and where that officially is
    "stage_one": "checkpoint-stage1-{kind}.ckpt, linked from " + _AUTHORS,
    "stage_two": "checkpoint-stage2-{kind}.ckpt, linked from " + _AUTHORS,
    "vae": "diffusion_pytorch_model.safetensors of huggingface.co/stabilityai/sd-vae-ft-mse",
    "dinov2": "model.safetensors of huggingface.co/facebook/dinov2-large",
    "prompt": "text_encoder/model.safetensors of Stable Diffusion 1.5 inpainting, or what it makes "
    f"of '{PROMPT}' and of '': `conditional` and `unconditional`, 1x77x768 each",
    "vae_stage_two": "vae/diffusion_pytorch_model.safetensors of Stable Diffusion 1.5 inpainting",
}
_OPTIONAL = "vae_stage_two"
_OLD_ATTENTION = re.compile(r"(\.attentions\.0\.)(query|key|value|proj_attn)(?=\.)")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Source:
    """An input file and, in words, the one that was asked for."""

    file: Checkpoint
    expected: str

    def refuse(self, problem: str) -> PackError:
        """The error that says what is wrong with the file and which one was expected."""
        return PackError(f"{self.file.path}: {problem}. Expected: {self.expected}")

    def read(self, prefix: str, reader: Callable[[Mapping[str, Shape]], _T]) -> _T:
        """Sizes of the network whose names start with `prefix`."""
        try:
            return reader(self.file.group(prefix))
        except PackError as error:
            raise self.refuse(f"{error} (of {prefix}*)" if prefix else str(error)) from error

    def take(self, *parts: tuple[str, str, Shapes]) -> list[Entry]:
        """All tensors, when they are exactly these.

        parts   prefix in this file, prefix in the pack, shapes by the rest of the name.
        Raises  PackError that names the first missing, unexpected and misshapen ones.
        """
        expected = {old + name: shape for old, _, part in parts for name, shape in part.items()}
        if wrong := differences(self.file.shapes, expected):
            raise self.refuse(wrong)
        return [
            Entry(new + name, shape, partial(self.file.load, old + name))
            for old, new, part in parts
            for name, shape in part.items()
        ]


def open_sources(out: Path, paths: Mapping[str, Path | None], kind: str) -> dict[str, Source]:
    """Open every file before anything is read; also check that none would be overwritten."""
    sources = {}
    for argument, path in paths.items():
        expected = _OFFICIAL[argument].format(kind=kind)
        if path is None:
            if argument == _OPTIONAL:
                continue
            option = "--" + argument.replace("_", "-")
            raise PackError(f"a pack also needs the file {option}: {expected}")
        if out.exists() and path.exists() and out.samefile(path):
            raise PackError(f"{out} is one of the files to convert: name another file for the pack")
        file = open_checkpoint(path, expected)
        if argument.startswith("vae"):
            file = file.with_names(_new_attention)
        sources[argument] = Source(file, expected)
    return sources


def _new_attention(name: str) -> str:
    """Today's name of an autoencoder's tensor; files before diffusers 0.12 differ."""
    return _OLD_ATTENTION.sub(lambda m: m[1] + OLD_VAE_ATTENTION[m[2]], name)


def refuse_swapped(one: Source, two: Source) -> None:
    """Say so when a checkpoint of the other stage, or none of this method, was given."""
    for source, wanted, other in ((one, "one", "two"), (two, "two", "one")):
        names = source.file.shapes
        if not any(name.startswith("unet_main.") for name in names):
            few = ", ".join(sorted(names)[:3]) or "nothing"
            raise source.refuse(f"no RealisHuman checkpoint: it has no unet_main.*, but {few}")
        has_reference = any(name.startswith("unet_ref.") for name in names)
        inputs = names.get("unet_main.conv_in.weight", (0, 0))[1]
        if has_reference != (wanted == "one") and inputs == (4 if has_reference else 9):
            raise source.refuse(
                f"this is a stage-{other} checkpoint, but was given as stage {wanted}: swap them"
            )
