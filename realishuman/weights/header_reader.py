"""Reads a pack's header, and refuses what cannot be true of any network before one is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

from realishuman.errors import PackError, SettingsError
from realishuman.settings import Settings
from realishuman.weights.header import (
    FORMAT,
    MESHES,
    EncoderShape,
    PackHeader,
    ScheduleConstants,
    UnetShape,
    VaeShape,
)

_CHOICES = {
    "weights": ("trained", "demo", "random"),
    "pose": ("shaded", "depth"),
    "mesh": MESHES,
    "preset": ("released", "paper"),
    "prediction": ("epsilon", "v_prediction"),
    "spacing": ("leading", "linspace", "trailing"),
}
LOWEST = {"offset": 0, "training_step": 0}  # every other whole number is at least 1
HIGHEST = {"resolution": 4096, "train_steps": 100_000}
TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}


def read_header(text: str, where: str) -> PackHeader:
    """Parse and check a header.

    Raises PackError naming `where` on anything missing, unknown or impossible.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise PackError(f"{where}: the pack's header is not JSON ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        raise PackError(
            f"{where} is a pack of format {found!r}, but this version reads format {FORMAT}: "
            "convert the checkpoints again with `realishuman convert`."
        )
    nested = {
        "unet": UnetShape,
        "stage_two_unet": UnetShape,
        "vae": VaeShape,
        "image_encoder": EncoderShape,
        "schedule": ScheduleConstants,
    }
    for name, kind in nested.items():
        raw[name] = _build(kind, raw.get(name), f"{where}: header field {name}")
    header = _build(PackHeader, raw, f"{where}: header")
    if why := _misfit(header):
        raise PackError(f"{where}: header: {why}. Convert the checkpoints or copy it again.")
    return header


_T = TypeVar("_T")


def _build(kind: type[_T], raw: Any, where: str) -> _T:
    """Make a dataclass from a JSON object, or raise PackError saying which key is wrong."""
    if not isinstance(raw, Mapping):
        raise PackError(f"{where} is missing or not an object; the file is damaged or no pack.")
    known = {spec.name for spec in fields(kind)}  # type: ignore[arg-type]  # always a dataclass
    if unknown := sorted(raw.keys() - known):
        raise PackError(f"{where} has unknown keys: {', '.join(unknown)}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in raw.items()}
    for key in values.keys() & _CHOICES.keys():
        if values[key] not in _CHOICES[key]:
            raise PackError(f"{where}: {key} is {values[key]!r}, not one of {_CHOICES[key]}")
    try:
        built = kind(**values)
    except TypeError as error:
        raise PackError(f"{where} is incomplete: {error}") from error
    if why := _fault(built):
        raise PackError(f"{where}: {why}. Convert the checkpoints or copy it again.")
    return built


def _fault(described: Any) -> str:
    """Return what is wrong with the first field of a dataclass that cannot be so, or "".

    Numbers must be positive and finite; fields that are dataclasses have been looked at already.
    """
    for spec in fields(described):
        value, kind = getattr(described, spec.name), str(spec.type)
        if is_dataclass(value) or (value is None and kind.endswith("| None")):
            continue
        kind = kind.removesuffix(" | None")
        many = kind.startswith("tuple[")
        kind = kind.removeprefix("tuple[").removesuffix(", ...]")
        if many and not (isinstance(value, tuple) and value):
            return f"{spec.name} is {value!r}, not a list of {kind}"
        for one in value if many else (value,):
            if kind in TYPES and not _possible(spec, kind, one):
                return f"{spec.name} cannot be {one!r}"
    return ""


def _possible(spec: Field[Any], kind: str, value: Any) -> bool:
    if type(value) not in TYPES[kind]:
        return False
    if kind == "int":
        return bool(LOWEST.get(spec.name, 1) <= value <= HIGHEST.get(spec.name, 10**12))
    return bool(0 < value < 1e6) if kind == "float" else True


def _misfit(header: PackHeader) -> str:
    """Return which sizes of a header contradict each other, or ""."""
    for name, unet in (("unet", header.unet), ("stage_two_unet", header.stage_two_unet)):
        if len(unet.attention) != len(unet.channels):
            return f"{name} has {len(unet.channels)} channels but {len(unet.attention)} attention"
        for divisor in (unet.groups, unet.heads):
            if any(width % divisor for width in unet.channels):
                return f"{name}: channels {unet.channels} cannot be divided into {divisor}"
    if any(width % header.vae.groups for width in header.vae.channels):
        return f"vae: channels {header.vae.channels} cannot be divided into {header.vae.groups}"
    encoder, schedule = header.image_encoder, header.schedule
    if encoder.width % encoder.heads or encoder.side % encoder.patch:
        return (
            f"image_encoder: width {encoder.width} needs a multiple of {encoder.heads} and side "
            f"{encoder.side} one of {encoder.patch}"
        )
    file = PurePosixPath(header.encoder_file or "encoder.onnx")
    if file.is_absolute() or ".." in file.parts or "\\" in str(file) or ":" in str(file):
        return f"encoder_file {file} leaves the pack's folder"
    if header.resolution % 8:  # side of a latent's pixel; pose guider and autoencoder must agree
        return f"resolution is {header.resolution}, not a multiple of 8"
    if not schedule.beta_start <= schedule.beta_end < 1 or schedule.offset >= schedule.train_steps:
        return (
            f"schedule: betas {schedule.beta_start} to {schedule.beta_end} or offset "
            f"{schedule.offset} of {schedule.train_steps} steps are impossible"
        )
    try:  # a pack may wish for what a user may
        Settings(
            steps=header.steps,
            guidance=header.guidance,
            margin=header.margin,
            erode=header.erode,
        )
    except SettingsError as error:
        return str(error)
    return ""
