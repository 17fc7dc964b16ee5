"""Opens the checkpoint that a user names: a .safetensors file, or a folder of diffusers'.

What is wrong with it is said before anything is loaded. No pickle is opened and nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from realishuman.backbones.by_diffusers import (
    INDEX,
    PIXELS,
    Components,
    LibraryCheckpoint,
    libraries,
    noise_of,
)
from realishuman.backbones.families import A_REFINER, REFINER, WHOLE, recognise
from realishuman.backbones.loading import Place
from realishuman.backbones.single_file import load_file
from realishuman.backbones.vae_file import VaeFile
from realishuman.backbones.vocabulary import find_vocabulary
from realishuman.backbones.wishes import Additions, Wishes, open_additions
from realishuman.errors import PackError
from realishuman.packs.tensor_file import TensorFile

_CLASSES = ("StableDiffusion", "StableDiffusionXL")  # what pipelines of a folder begin with
_TASKS = ("Pipeline", "InpaintPipeline", "Img2ImgPipeline")
_PICKLES = (".ckpt", ".pt", ".pth", ".bin")


def open_checkpoint(path: Path, place: Place, wishes: Wishes) -> LibraryCheckpoint:
    """The checkpoint at `path`, which loads when it is first used.

    Raises PackError, with a sentence, if it is none that can repaint parts.
    """
    if path.is_dir():
        return _open_folder(path, place, wishes)
    if path.suffix.lower() in _PICKLES:
        raise PackError(
            f"{path} is a pickle, which may run code when it is read, so it is not opened: save it "
            f"as .safetensors first, which WebUIs can do. {WHOLE}"
        )
    if not path.is_file():
        raise PackError(f"{path} is not there. {WHOLE}")
    file = TensorFile.open(path)
    shapes = {name: one.shape for name, one in file.tensors.items()}
    known = recognise(str(path), shapes, file.metadata, needs_vae=wishes.vae is None)
    vocabulary = find_vocabulary(wishes.tokenizer)
    side = known.family.side_for(wishes.prediction or known.prediction)

    def load(added: Additions) -> Components:
        return load_file(path, known, vocabulary, wishes.prediction, added.vae)

    return _opened(path, side, place, wishes, known.family.context, load)


def _opened(
    path: Path,
    side: int,
    place: Place,
    wishes: Wishes,
    context: int,
    load: Callable[[Additions], Components],
) -> LibraryCheckpoint:
    """The checkpoint with all that is named beside it."""
    added = open_additions(wishes, context)
    libraries()  # last: importing them takes seconds
    name = ", ".join([path.name, *added.names])
    return LibraryCheckpoint(name, side, place, _loader(path, lambda: added.added_to(load(added))))


def _open_folder(path: Path, place: Place, wishes: Wishes) -> LibraryCheckpoint:
    index = _json(path / INDEX)
    name = str(index.get("_class_name"))
    if name not in {kind + task for kind in _CLASSES for task in _TASKS}:
        raise PackError(f"{path} holds a {name}, which cannot repaint parts here. {WHOLE}")
    unet = _json(path / "unet" / "config.json")
    channels, size = unet.get("in_channels"), unet.get("sample_size")
    if channels not in (4, 9):
        raise PackError(f"{path} has a UNet with {channels} channels; 4 or 9 can be used. {WHOLE}")
    context = unet.get("cross_attention_dim")
    if context == REFINER:
        raise PackError(f"{path} holds {A_REFINER} {WHOLE}")
    side = size * PIXELS if isinstance(size, int) else 512

    def load(added: Additions) -> Components:
        return _load_folder(path, "XL" in name, wishes.prediction, added.vae)

    return _opened(path, side, place, wishes, context if isinstance(context, int) else 0, load)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackError(f"{path} cannot be read ({error}). {WHOLE}") from error
    if not isinstance(found, dict):
        raise PackError(f"{path} holds no table. {WHOLE}")
    return found


def _loader(path: Path, load: Callable[[], Components]) -> Callable[[], Components]:
    """`load`, whatever it raises said in a sentence."""

    def loading() -> Components:
        try:
            return load()
        except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
            if "memory" in str(error).lower():
                raise
            line = next(iter(str(error).splitlines()), "")
            raise PackError(
                f"{path} cannot be loaded ({type(error).__name__}: {line:.300}). {WHOLE}"
            ) from error

    return loading


def _load_folder(path: Path, large: bool, prediction: str, vae: VaeFile | None) -> Components:
    """The components of a folder, each by its own class."""
    diffusers, transformers = libraries()
    encoder, second = transformers.CLIPTextModel, transformers.CLIPTextModelWithProjection

    def component(kind: Any, name: str) -> Any:
        if kind is transformers.CLIPTokenizer:
            return kind.from_pretrained(path / name, local_files_only=True)
        return kind.from_pretrained(
            path, subfolder=name, local_files_only=True, use_safetensors=True
        )

    tokenizers = ["tokenizer", *(["tokenizer_2"] if large else [])]
    encoders = {"text_encoder": encoder, **({"text_encoder_2": second} if large else {})}
    scheduler = diffusers.DDIMScheduler.from_pretrained(
        path, subfolder="scheduler", local_files_only=True
    )
    return Components(
        component(diffusers.UNet2DConditionModel, "unet"),
        component(diffusers.AutoencoderKL, "vae")
        if vae is None
        else vae.fill(diffusers.AutoencoderKL.from_config(_json(path / "vae" / "config.json"))),
        [component(transformers.CLIPTokenizer, name) for name in tokenizers],
        [component(kind, name) for name, kind in encoders.items()],
        noise_of(scheduler, prediction),
    )
