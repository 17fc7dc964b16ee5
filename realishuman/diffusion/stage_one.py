"""Stage one: paint a well-formed part from its appearance and the pose of its mesh (paper eq. 2).

The reference UNet reads the part as it is, the main UNet paints it in the mesh's pose and looks
at the reference's features in every self-attention. All parts and both guidance branches go
through the main UNet together: first the unconditional rows, which see no reference, then the
conditional ones. The reference never sees the latents being denoised, so several timesteps of it
are computed in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from realishuman.diffusion import ddim, guidance
from realishuman.diffusion.networks import Backbone, FeatureBank, StageOneNetworks
from realishuman.diffusion.noise import Noise
from realishuman.diffusion.sampling import Sampling, in_chunks, total_steps
from realishuman.diffusion.schedule import Schedule
from realishuman.progress import Progress

TIMESTEPS_AT_ONCE = 4  # of the reference; more saves little and delays an interruption


@dataclass(frozen=True)
class StageOneInputs:
    """Crops of P parts.

    reference  (P, 3, R, R) in [0, 1]: the picture where m covers it, black elsewhere.
    pose       (P, 3, R, R) in [0, 1]: the render of the mesh.
    shown      (P, 3, S, S) in [0, 1]: the reference as the image encoder sees it, of any size; None
               shows it the reference.
    """

    reference: Tensor
    pose: Tensor
    shown: Tensor | None = None

    def rows(self, rows: slice) -> StageOneInputs:
        """Some of the parts."""
        shown = None if self.shown is None else self.shown[rows]
        return StageOneInputs(self.reference[rows], self.pose[rows], shown)


@dataclass(frozen=True)
class Prepared:
    """What the sampler works on, computed from the inputs once.

    reference       (P, C, h, w) scaled latents.
    pose            (P, c, h, w) embedding, added after the main UNet's conv_in.
    reference_pose  the same for the reference UNet.
    context         (P, T, C) image tokens after the projector.
    """

    reference: Tensor
    pose: Tensor
    reference_pose: Tensor
    context: Tensor


def inputs(image: Tensor, pose: Tensor, m: Tensor) -> StageOneInputs:
    """Cut the parts out of their crops.

    image, pose  (P, 3, R, R) in [0, 1].
    m            (P, 1, R, R) bool, where the mesh covers the part.
    """
    return StageOneInputs(reference=image * m, pose=pose)


def run(
    backbone: Backbone,
    inputs: StageOneInputs,
    sampling: Sampling,
    noise: Noise,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """Paint the parts anew.

    Returns  images (P, 3, R, R) float32 in [0, 1] and finite (P,) bool, both on the CPU. A part
             is not finite when its values left the range of numbers; its image is black then.
    Raises   SettingsError if the weights cannot be sampled in that many steps; PackError from
             the backbone; Interrupted from progress.
    """
    parts = len(inputs.reference)
    progress.begin("stage one", total_steps(parts, sampling))
    with torch.no_grad(), backbone.stage_one() as networks:

        def denoise(rows: slice) -> Tensor:
            some = prepare(networks, inputs.rows(rows))
            return sample(networks, some, sampling, noise.rows(rows.start, rows.stop), progress)

        return in_chunks(parts, sampling.max_batch, denoise, networks.autoencoder.decode)


def prepare(networks: StageOneNetworks, inputs: StageOneInputs) -> Prepared:
    """Encode the inputs. Reference and target have the same pose, so it is embedded once."""
    pose = networks.pose_guider(inputs.pose)
    shown = inputs.reference if inputs.shown is None else inputs.shown
    return Prepared(
        reference=networks.autoencoder.encode(inputs.reference * 2 - 1),
        pose=pose,
        reference_pose=pose,
        context=networks.projector(networks.image_encoder(shown)),
    )


def sample(
    networks: StageOneNetworks,
    prepared: Prepared,
    sampling: Sampling,
    noise: Noise,
    progress: Progress,
) -> Tensor:
    """Denoise; returns latents (P, C, h, w) float32."""
    schedule = Schedule.of(networks.schedule, sampling.steps)
    parts, *shape = prepared.reference.shape
    device = prepared.reference.device
    guided = guidance.count_guided_steps(sampling.steps, sampling.guidance, sampling.guidance_share)
    both = networks.unet.condition(
        torch.cat([networks.no_context.expand(parts, -1, -1), prepared.context]),
        torch.cat([prepared.pose, prepared.pose]),
    )
    conditional = both.rows(parts, 2 * parts)
    timesteps = torch.tensor(schedule.timesteps, device=device)
    banks = reference_banks(
        networks,
        prepared,
        timesteps[:: sampling.reference_every],
        at_once=TIMESTEPS_AT_ONCE,
    )
    latents = noise.initial(shape).to(device)
    for index, timestep in enumerate(timesteps):
        if index % sampling.reference_every == 0:
            bank = next(banks)
        if index < guided:
            doubled = torch.cat([latents, latents])
            predictions = networks.unet.predict(doubled, timestep, both, bank)
            prediction = guidance.combine(predictions, sampling.guidance)
        else:
            prediction = networks.unet.predict(latents, timestep, conditional, bank)
        latents = ddim.step(schedule, index, latents, prediction)
        progress.step()
    return latents


def reference_banks(
    networks: StageOneNetworks, prepared: Prepared, timesteps: Tensor, *, at_once: int
) -> Iterator[FeatureBank]:
    """Yield the reference's features (P rows) at each timestep.

    timesteps  (N,) int64.
    at_once    timesteps per pass of the reference UNet; the result does not depend on it.
    """
    parts = len(prepared.reference)
    condition = networks.reference.condition(prepared.context, prepared.reference_pose)
    repeated, latents = condition.repeat(at_once), prepared.reference.repeat(at_once, 1, 1, 1)
    for group in torch.split(timesteps, at_once):
        rows = len(group) * parts
        bank = networks.reference.features(
            latents[:rows], group.repeat_interleave(parts), repeated.rows(0, rows)
        )
        for first in range(0, rows, parts):
            yield bank.rows(first, first + parts)
