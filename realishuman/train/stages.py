"""Each stage put together: its crops, latents, network, previews, and where its files are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from realishuman.advice import command
from realishuman.backbones.packed import build_autoencoder
from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.autoencoder import PlainAutoencoder
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.errors import SettingsError
from realishuman.imaging.masks import latent_mask
from realishuman.presets import PRESETS
from realishuman.progress import Silent
from realishuman.train.compute import channels_last
from realishuman.train.config import TrainConfig
from realishuman.train.crops import Pixels
from realishuman.train.data import (
    AutoencoderData,
    Groups,
    StageOneData,
    StageTwoData,
    count_trained,
)
from realishuman.train.folder import RunFolder
from realishuman.train.groups import groups_of
from realishuman.train.kept import Kept
from realishuman.train.latents import Latents
from realishuman.train.loop import Trainee
from realishuman.train.losses import image_tokens
from realishuman.train.networks import StageOne, StageTwo, TrainedAutoencoder
from realishuman.train.shards import Crops
from realishuman.train.tokens import are_kept, keep_tokens
from realishuman.train.views import (
    AUTOENCODED,
    draw_autoencoded,
    grid,
    make_target,
    part,
    reference,
    tensor,
)

STAGES = ("autoencoder", "stage-one", "stage-two")
SHOWN = 6  # held-out crops per preview
MEASURED = 64  # crops whose latents give the scaling


def run_folder(config: TrainConfig, stage: str) -> RunFolder:
    """Where a stage's files are."""
    return RunFolder(Path(config.output) / stage)


def trainee(
    config: TrainConfig, stage: str, say: Callable[[str], None] = lambda _: None
) -> Trainee:
    """Put a stage together; latents are made first where they are missing.

    Raises SettingsError without crops, or without the autoencoder's weights where they are needed.
    """
    crops = Crops(Path(config.data.folder), config)
    count = count_trained(crops, config)
    say(f"{stage}: {count} crops, {len(crops) - count} held out")
    if stage == "autoencoder":
        return _autoencoder(config, crops)
    autoencoder, mark = load_trained_autoencoder(config)
    say(f"{stage}: making latents where they are missing")
    exact = stage == "stage-two" and config.stage_two.exact_core
    folder = run_folder(config, stage).path / f"latents-{mark}{'-exact' if exact else ''}"
    latents = Latents(crops, config, stage, autoencoder, folder)
    if stage == "stage-two":
        return _stage_two(config, crops, latents, autoencoder)
    module, tokens = StageOne(config), None
    if are_kept(config.stage_one):
        say(f"{stage}: making image tokens where they are missing")
        tokens = keep_tokens(crops, config, module.image_encoder, folder.parent)
    groups = groups_of(crops, config) if config.stage_one.groups else None
    return _stage_one(config, module, crops, latents, tokens, autoencoder, groups)


def load_trained_autoencoder(config: TrainConfig) -> tuple[PlainAutoencoder, str]:
    """The autoencoder as trained, and a mark that changes with its weights.

    Raises SettingsError if it has not been trained.
    """
    path = run_folder(config, "autoencoder").weights_path
    try:
        with safe_open(path, framework="pt") as file:
            scaling = float(file.metadata()["scaling"])
        tensors = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} is missing or damaged: train the autoencoder first, with "
            f"`{command('train', 'autoencoder')}`."
        ) from error
    module = build_autoencoder(replace(config.networks.vae, scaling=scaling))
    named = {name.removeprefix("vae."): value for name, value in tensors.items()}
    try:
        module.load_state_dict(named, assign=True)
    except RuntimeError as error:
        raise SettingsError(
            f"{path} holds an autoencoder of other sizes than networks.vae says: restore the "
            "configuration or choose another output."
        ) from error
    mark = hashlib.blake2b(path.read_bytes(), digest_size=4).hexdigest()
    channels_last(module)
    return module.requires_grad_(False).eval(), mark


def keep_autoencoder(config: TrainConfig) -> Path:
    """Write the initial autoencoder as if it had been trained; the paper keeps Stable Diffusion's.

    Returns its file. Raises PackError if the initial weights cannot be used.
    """
    folder = run_folder(config, "autoencoder")
    with folder.locked():
        note = {"step": "0", "scaling": repr(config.networks.vae.scaling)}
        folder.save_weights(TrainedAutoencoder(config).pack_tensors(), note)
    return folder.weights_path


def _autoencoder(config: TrainConfig, crops: Crops) -> Trainee:
    module = TrainedAutoencoder(config)
    held = range(count_trained(crops, config), len(crops))
    rng = np.random.default_rng(0)
    images = [draw_autoencoded(crops[i], AUTOENCODED[i % 5], rng) for i in held[:SHOWN]]

    @torch.no_grad()
    def preview() -> Pixels | None:
        if not images:
            return None
        batch = torch.stack(images)
        decoded = module.vae.pictures(module.vae.posterior(batch).mean)
        return grid([[a / 2 + 0.5, b.cpu() / 2 + 0.5] for a, b in zip(batch, decoded, strict=True)])

    @torch.no_grad()
    def note() -> dict[str, str]:
        some = [tensor(crops[i].clean) * 2 - 1 for i in range(min(MEASURED, len(crops)))]
        latents = [module.vae.posterior(image[None]).mean for image in some]
        return {"scaling": repr(1 / float(torch.cat(latents).std()))}

    return Trainee(
        "autoencoder",
        module,
        AutoencoderData(crops, config, config.autoencoder).batch,
        module.pack_tensors,
        preview,
        note,
    )


def _stage_one(
    config: TrainConfig,
    module: StageOne,
    crops: Crops,
    latents: Latents,
    tokens: Kept | None,
    autoencoder: PlainAutoencoder,
    groups: Groups | None,
) -> Trainee:
    data = StageOneData(crops, latents, config, replace(config.stage_one, drop=0.0), tokens)
    held = list(range(count_trained(crops, config), len(crops)))[:SHOWN]

    def preview() -> Pixels | None:
        if not held:
            return None
        rows = [data.row(i, 0, torch.Generator()) for i in held]
        device, networks = _device(module), module.networks(autoencoder)
        seen = torch.stack([row.seen for row in rows]).to(device)
        pose = module.pose_guider(torch.stack([row.pose for row in rows]).to(device))
        below = torch.stack([row.reference for row in rows]).to(device)
        context = module.projector(image_tokens(module.image_encoder, seen))
        prepared = stage_one.Prepared(below, pose, pose, context)
        found = stage_one.sample(
            networks, prepared, sampling(config), PartNoise(0, held, "preview"), Silent()
        )
        painted = autoencoder.decode(found.cpu())
        return grid(
            [
                [tensor(crops[i].malformed), reference(crops[i]), row.pose, one, part(crops[i])]
                for i, row, one in zip(held, rows, painted, strict=True)
            ]
        )

    return Trainee(
        "stage-one",
        module,
        StageOneData(crops, latents, config, config.stage_one, tokens, groups).batch,
        module.pack_tensors,
        preview,
    )


def _stage_two(
    config: TrainConfig, crops: Crops, latents: Latents, autoencoder: PlainAutoencoder
) -> Trainee:
    module = StageTwo(config)
    data = StageTwoData(crops, latents, config, replace(config.stage_two, drop=0.0))
    held = list(range(count_trained(crops, config), len(crops)))[:SHOWN]

    def preview() -> Pixels | None:
        if not held:
            return None
        rows = [data.row(i, 0, torch.Generator()) for i in held]
        device = _device(module)
        shown = torch.stack([row.i_f for row in rows])
        malformed = torch.stack([tensor(crops[i].malformed) for i in held])
        m_d = [latent_mask(_mask(crops[i].m_d), config.networks.factor) for i in held]
        prepared = stage_two.Prepared(
            image=autoencoder.encode(malformed * 2 - 1).to(device),
            i_f=shown.to(device),
            m_f=torch.stack([row.m_f for row in rows]).to(device),
            m_d=torch.cat(m_d).to(device),
        )
        noise = PartNoise(0, held, "preview")
        found = stage_two.sample(
            module.networks(autoencoder), prepared, sampling(config), noise, Silent()
        )
        painted, seen = autoencoder.decode(found.cpu()), autoencoder.decode(shown)
        return grid(
            [
                [tensor(crops[i].malformed), seen[k], painted[k], make_target(crops[i])]
                for k, i in enumerate(held)
            ]
        )

    return Trainee(
        "stage-two",
        module,
        StageTwoData(crops, latents, config, config.stage_two).batch,
        module.pack_tensors,
        preview,
    )


def sampling(config: TrainConfig) -> Sampling:
    """How the finished pack is sampled when the user says nothing."""
    preset, pack = PRESETS[config.pack.preset], config.pack
    return Sampling(
        steps=pack.steps or preset.steps,
        guidance=preset.guidance if pack.guidance is None else pack.guidance,
    )


def _mask(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask.copy())[None, None]


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device
