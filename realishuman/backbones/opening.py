"""Opens the checkpoint that a user names: a .safetensors file, or a folder of diffusers'.

What is wrong with it is said before anything is loaded. No pickle is opened and nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from realishuman.backbones.by_diffusers import PIXELS, Components, LibraryCheckpoint, libraries
from realishuman.backbones.families import WHOLE, Recognised, recognise
from realishuman.backbones.loading import Place
from realishuman.backbones.vocabulary import find_vocabulary
from realishuman.diffusion.schedule import PREDICTIONS, NoiseTable
from realishuman.errors import PackError
from realishuman.packs.tensor_file import TensorFile

INDEX = "model_index.json"
_CLASSES = ("StableDiffusion", "StableDiffusionXL")  # what pipelines of a folder begin with
_TASKS = ("Pipeline", "InpaintPipeline", "Img2ImgPipeline")
_PICKLES = (".ckpt", ".pt", ".pth", ".bin")
_SAFE = ".safetensors"


@dataclass(frozen=True)
class Wishes:
    """What a user says of a checkpoint beside its name.

    tokenizer   folder or file with CLIP's vocabulary, for a single file.
    prediction  "epsilon" or "v_prediction" where the checkpoint is silent or wrong; "" believes it.
    """

    tokenizer: Path | None = None
    prediction: str = ""


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
    known = recognise(str(path), shapes, file.metadata)
    vocabulary = find_vocabulary(wishes.tokenizer)
    libraries()  # last: importing them takes seconds
    load = _loader(path, lambda: _load_file(path, known, vocabulary, wishes))
    return LibraryCheckpoint(path.name, known.family.side, place, load)


def _open_folder(path: Path, place: Place, wishes: Wishes) -> LibraryCheckpoint:
    index = _json(path / INDEX)
    name = str(index.get("_class_name"))
    if name not in {kind + task for kind in _CLASSES for task in _TASKS}:
        raise PackError(f"{path} holds a {name}, which cannot repaint parts here. {WHOLE}")
    unet = _json(path / "unet" / "config.json")
    channels, size = unet.get("in_channels"), unet.get("sample_size")
    if channels not in (4, 9):
        raise PackError(f"{path} has a UNet with {channels} channels; 4 or 9 can be used. {WHOLE}")
    side = size * PIXELS if isinstance(size, int) else 512
    libraries()
    load = _loader(path, lambda: _load_folder(path, "XL" in name, wishes))
    return LibraryCheckpoint(path.name, side, place, load)


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


def _load_folder(path: Path, large: bool, wishes: Wishes) -> Components:
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
        component(diffusers.AutoencoderKL, "vae"),
        [component(transformers.CLIPTokenizer, name) for name in tokenizers],
        [component(kind, name) for name, kind in encoders.items()],
        _noise(scheduler, wishes.prediction),
    )


def _load_file(
    path: Path, known: Recognised, vocabulary: Mapping[str, str], wishes: Wishes
) -> Components:
    """The components of a single file, by configurations that are written here for the library."""
    diffusers, transformers = libraries()
    large = "text_encoder_2" in known.family.configs
    kind = diffusers.StableDiffusionXLPipeline if large else diffusers.StableDiffusionPipeline
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=known.prediction,
        rescale_betas_zero_snr=known.zero_snr,
        timestep_spacing="trailing" if known.zero_snr else "leading",
    )
    with TemporaryDirectory(prefix="realishuman-") as scratch:
        folder = Path(scratch)
        tokenizer = _tokenizer(transformers, folder / "words", vocabulary)
        given: dict[str, Any] = {"tokenizer": tokenizer, "scheduler": scheduler}
        if large:  # its second encoder fills with another word
            given["tokenizer_2"] = _tokenizer(transformers, folder / "words", vocabulary, pad="!")
        else:
            given |= {"safety_checker": None, "feature_extractor": None}
        _write_configs(folder / "configs", known, kind.__name__)
        made = kind.from_single_file(
            str(path), config=str(folder / "configs"), local_files_only=True, **given
        )
    second = [(made.tokenizer_2, made.text_encoder_2)] if large else []
    words, encoders = zip((made.tokenizer, made.text_encoder), *second, strict=True)
    for network in (made.unet, made.vae, *encoders):
        _check_filled(network)
    noise = _noise(scheduler, wishes.prediction)
    return Components(made.unet, made.vae, words, encoders, noise)


def _check_filled(network: Any) -> None:
    """Raise ValueError if the file lacks a tensor; the library leaves its place empty."""
    lacking = [name for name, tensor in network.named_parameters() if tensor.is_meta]
    if lacking:
        raise ValueError(f"{len(lacking)} tensors are missing, such as {lacking[0]}")


def _write_configs(folder: Path, known: Recognised, pipeline: str) -> None:
    """A folder of the library's configurations, without weights."""
    second = "text_encoder_2"
    classes = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        second: ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    configs = known.family.configs
    if second not in configs:
        del classes[second], classes["tokenizer_2"]
    _write(folder / INDEX, {"_class_name": pipeline, **classes})
    more: dict[str, dict[str, Any]] = {
        "unet": {"_class_name": "UNet2DConditionModel", "in_channels": known.channels},
        "vae": {"_class_name": "AutoencoderKL"},
    }
    for name, config in configs.items():
        _write(folder / name / "config.json", {**config, **more.get(name, {})})


def _tokenizer(
    transformers: Any, folder: Path, vocabulary: Mapping[str, str], pad: str = "<|endoftext|>"
) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in vocabulary.items():
        (folder / name).write_text(text, encoding="utf-8")
    return transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True, pad_token=pad)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _noise(scheduler: Any, prediction: str) -> NoiseTable:
    """The schedule of the library's scheduler, which knows every way to write one down."""
    config = scheduler.config
    said = prediction or config.prediction_type
    if said not in PREDICTIONS:
        raise ValueError(f"its scheduler asks for {said}; epsilon or v_prediction can be used")
    table = tuple(scheduler.alphas_cumprod.double().tolist())
    return NoiseTable(table, said, config.timestep_spacing, config.steps_offset)
