"""Reads a pack's header, and refuses what cannot be true of any network before one is built."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import PurePosixPath
from typing import Any

from realishuman.advice import command
from realishuman.errors import PackError, SettingsError
from realishuman.packs.header import FORMAT, MESHES, PackHeader
from realishuman.settings import Settings
from realishuman.tables import Range, build

AGAIN = "Convert the checkpoints or copy it again."
_CHOICES = {
    "weights": ("trained", "demo", "random"),
    "pose": ("shaded", "depth"),
    "mesh": MESHES,
    "preset": ("released", "paper"),
    "prediction": ("epsilon", "v_prediction"),
    "spacing": ("leading", "linspace", "trailing"),
}
COUNT, AMOUNT = Range(1, 10**12), Range(0, 1e6, above=True)  # whole numbers, others
RANGES = {
    "offset": Range(0, 10**12),
    "training_step": Range(0, 10**12),
    "resolution": Range(1, 4096),
    "train_steps": Range(1, 100_000),
}


def read_header(text: str, where: str) -> PackHeader:
    """Parse and check a header.

    Raises PackError naming `where` on anything missing, unknown or impossible.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackError(f"{where}: the pack's header is not JSON ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        raise PackError(
            f"{where} is a pack of format {found!r}, but this version reads format {FORMAT}: "
            f"convert the checkpoints again (`{command('convert', '-h')}`)."
        )
    try:
        header: PackHeader = build(PackHeader, raw, f"{where}: header")
    except SettingsError as error:
        raise PackError(f"{error}. {AGAIN}") from error
    if why := _fault(header) or _misfit(header):
        raise PackError(f"{where}: header: {why}. {AGAIN}")
    return header


def _fault(described: Any) -> str:
    """Return which choice or number of a header, or of a table in it, cannot be, or ""."""
    for spec in fields(described):
        name, value = spec.name, getattr(described, spec.name)
        if is_dataclass(value):
            if why := _fault(value):
                return f"{name}: {why}"
        elif name in _CHOICES and value not in _CHOICES[name]:
            return f"{name} is {value!r}, not one of {', '.join(_CHOICES[name])}"
        for one in value if isinstance(value, tuple) else (value,):
            allowed = RANGES.get(name, COUNT if type(one) is int else AMOUNT)
            if type(one) in (int, float) and not allowed.holds(one):
                return f"{name} must be {allowed}, not {one!r}"
    return ""


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
