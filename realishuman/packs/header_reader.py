"""Reads a pack's header, and refuses what cannot be true of any network before one is built."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import PurePosixPath
from typing import Any

from realishuman.advice import command
from realishuman.allowed import Allowed
from realishuman.errors import PackError, SettingsError
from realishuman.packs.header import FORMAT, MESHES, PackHeader
from realishuman.presets import PRESETS
from realishuman.settings import Settings
from realishuman.tables import build

AGAIN = "Convert the checkpoints or copy it again."
MOST = 10**12
LEVELS, WIDEST = 8, 2**20  # of a network: more takes all memory before a tensor is missed
ALLOWED = {
    "weights": Allowed(str, choices=("trained", "demo", "random")),
    "pose": Allowed(str, choices=("shaded", "depth")),
    "mesh": Allowed(str, choices=MESHES),
    "preset": Allowed(str, choices=tuple(PRESETS)),
    "prediction": Allowed(str, choices=("epsilon", "v_prediction")),
    "spacing": Allowed(str, choices=("leading", "linspace", "trailing")),
    "offset": Allowed(int, 0, MOST),
    "training_step": Allowed(int, 0, MOST),
    "resolution": Allowed(int, 1, 4096),
    "train_steps": Allowed(int, 1, 100_000),
    "layers": Allowed(int, 1, 64),
    "depth": Allowed(int, 1, 256),
}
OTHERS = {
    int: Allowed(int, 1, WIDEST),
    float: Allowed(float, 0, 1_000_000, above=True),
    str: Allowed(str),
    bool: Allowed(bool),
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
    try:
        _check(header)
    except SettingsError as error:
        raise PackError(f"{where}: header: {error}. {AGAIN}") from error
    if why := _misfit(header):
        raise PackError(f"{where}: header: {why}. {AGAIN}")
    return header


def _check(described: Any, inside: str = "") -> None:
    """Raise SettingsError on a choice or number of a header, or of a table in it, that cannot be.

    inside  the table, for the message: "vae: ".
    """
    for spec in fields(described):
        name, value = spec.name, getattr(described, spec.name)
        if is_dataclass(value):
            _check(value, f"{inside}{name}: ")
        elif value is not None:
            if isinstance(value, tuple) and len(value) > LEVELS:
                raise SettingsError(f"{inside}{name} has {len(value)} entries, at most {LEVELS}")
            for one in value if isinstance(value, tuple) else (value,):
                ALLOWED.get(name, OTHERS[type(one)]).check(f"{inside}{name}", one)


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
