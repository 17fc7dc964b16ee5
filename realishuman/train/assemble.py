"""Makes a pack of what the three stages have written so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from realishuman.advice import command
from realishuman.errors import PackError, SettingsError
from realishuman.packs.header import PackHeader
from realishuman.packs.header_reader import read_header
from realishuman.packs.pack import Pack
from realishuman.packs.pack_writer import Entry, write_pack
from realishuman.train.config import TrainConfig
from realishuman.train.stages import STAGES, run_folder


def header(config: TrainConfig, scaling: float | None = None, step: int = 0) -> PackHeader:
    """The pack's header. Raises SettingsError if no pack can be as the configuration says."""
    pack, networks = config.pack, config.networks
    vae = networks.vae if scaling is None else replace(networks.vae, scaling=scaling)
    made = PackHeader(
        name=pack.name,
        kind=pack.kind,
        weights=pack.weights,
        pose=pack.pose,
        preset=pack.preset,
        resolution=pack.resolution,
        unet=networks.unet,
        stage_two_unet=networks.stage_two_unet,
        vae=vae,
        image_encoder=networks.image_encoder,
        schedule=config.schedule,
        licence=pack.licence,
        source=pack.source,
        training_step=step,
        steps=pack.steps,
        guidance=pack.guidance,
        margin=pack.margin,
        erode=pack.erode,
        keep_core=pack.keep_core,
        mesh=pack.mesh,
    )
    try:
        return read_header(made.to_json(), "the configuration")
    except PackError as error:  # its advice is about packs that were copied or converted
        said = str(error).replace(". Convert the checkpoints or copy it again.", "")
        said = said.replace(": header field ", ": ").replace(": header: ", ": ")
        raise SettingsError(f"{said}; change it there.") from error


def assemble(config: TrainConfig, path: Path) -> Pack:
    """Write the pack `path` from the averaged weights of all stages.

    Raises SettingsError naming the stage that has no weights yet; PackError from writing.
    """
    tensors: dict[str, Tensor] = {}
    notes: dict[str, Mapping[str, str]] = {}
    for stage in STAGES:
        weights = run_folder(config, stage).weights_path
        try:
            tensors |= load_file(weights)
            with safe_open(weights, framework="pt") as file:
                notes[stage] = file.metadata()
        except (OSError, SafetensorError) as error:
            raise SettingsError(
                f"{stage} has no weights in {weights.parent} yet: run `{command('train', stage)}`."
            ) from error
    entries = [_entry(name, tensor) for name, tensor in tensors.items()]
    made = header(config, float(notes["autoencoder"]["scaling"]), int(notes["stage-one"]["step"]))
    return write_pack(path, made, entries)


def _entry(name: str, tensor: Tensor) -> Entry:
    return Entry(name, tuple(tensor.shape), lambda: tensor)
