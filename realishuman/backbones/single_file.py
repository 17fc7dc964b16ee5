"""Loads a checkpoint that is a single file, by the diffusers library, which must be told its shape.

The library looks for configurations in a folder: one is written for it, and gone afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from realishuman.backbones.by_diffusers import INDEX, Components, libraries, noise_of
from realishuman.backbones.families import Recognised
from realishuman.backbones.vae_file import VaeFile


def load_file(
    path: Path,
    known: Recognised,
    vocabulary: Mapping[str, str],
    prediction: str,
    vae: VaeFile | None,
) -> Components:
    """The components of a single file.

    known       what it is.
    vocabulary  the files of CLIP's, by name.
    prediction  as of Wishes.
    vae         in place of the file's own.
    Raises      OSError, ValueError, KeyError, RuntimeError, TypeError or AttributeError, as the
                library does, if it cannot be loaded; PackError if the VAE does not fit.
    """
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
        tokenizer = _tokenizer(transformers, folder / "words", vocabulary, known.family.pad)
        given: dict[str, Any] = {"tokenizer": tokenizer, "scheduler": scheduler}
        if large:  # its second encoder fills with another word
            given["tokenizer_2"] = _tokenizer(transformers, folder / "words", vocabulary, "!")
        else:
            given |= {"safety_checker": None, "feature_extractor": None}
        if vae is not None:
            given["vae"] = vae.fill(diffusers.AutoencoderKL(**known.family.configs["vae"]))
        _write_configs(folder / "configs", known, kind.__name__)
        made = kind.from_single_file(
            str(path), config=str(folder / "configs"), local_files_only=True, **given
        )
    second = [(made.tokenizer_2, made.text_encoder_2)] if large else []
    words, encoders = zip((made.tokenizer, made.text_encoder), *second, strict=True)
    for network in (made.unet, made.vae, *encoders):
        _check_filled(network)
    noise = noise_of(scheduler, prediction)
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


def _tokenizer(transformers: Any, folder: Path, vocabulary: Mapping[str, str], pad: str) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in vocabulary.items():
        (folder / name).write_text(text, encoding="utf-8")
    return transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True, pad_token=pad)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
