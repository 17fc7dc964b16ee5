"""Stage two: blend the repaired part into the picture by repainting the ring around it.

The UNet sees the latents, the ring m_f and I_f, the picture with the ring cut out and the
repaired part inside it (paper eq. 7). Outside the dilated mask m_d the latents are replaced before
every step by the picture's own, noised to that step, and at the end by the picture's own, clean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from realishuman.diffusion import ddim, guidance
from realishuman.diffusion.networks import Backbone, StageTwoNetworks
from realishuman.diffusion.noise import Noise
from realishuman.diffusion.sampling import Sampling, in_chunks, total_steps
from realishuman.diffusion.schedule import Schedule
from realishuman.imaging.masks import latent_mask, masked_image
from realishuman.progress import Progress


@dataclass(frozen=True)
class StageTwoInputs:
    """Crops of P parts.

    image  (P, 3, R, R) in [-1, 1].
    i_f    (P, 3, R, R) in [-1, 1]: image with the ring m_f at 0 and the repaired part in m_e.
    m_f    (P, 1, R, R) bool.
    m_d    (P, 1, R, R) bool.
    """

    image: Tensor
    i_f: Tensor
    m_f: Tensor
    m_d: Tensor


@dataclass(frozen=True)
class Prepared:
    """What the sampler works on, computed from the inputs once.

    image  (P, C, h, w) scaled latents of the picture.
    i_f    (P, C, h, w) scaled latents of I_f.
    m_f    (P, 1, h, w) float32, 0 or 1.
    m_d    (P, 1, h, w) bool.
    """

    image: Tensor
    i_f: Tensor
    m_f: Tensor
    m_d: Tensor


def inputs(image: Tensor, repaired: Tensor, m_d: Tensor, m_e: Tensor) -> StageTwoInputs:
    """Put stage one's part into the picture, with the ring cut out.

    image, repaired  (P, 3, R, R) in [0, 1].
    m_d, m_e         (P, 1, R, R) bool, the dilated and the eroded mask.
    """
    return StageTwoInputs(
        image=image * 2 - 1,
        i_f=masked_image(image, repaired, m_d, m_e),
        m_f=m_d & ~m_e,
        m_d=m_d,
    )


def run(
    backbone: Backbone,
    inputs: StageTwoInputs,
    sampling: Sampling,
    noise: Noise,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """Repaint the rings.

    Returns  images (P, 3, R, R) float32 in [0, 1] and finite (P,) bool, both on the CPU. A part
             is not finite when its values left the range of numbers; its image is black then.
    Raises   SettingsError if the weights cannot be sampled in that many steps; PackError from
             the backbone; Interrupted from progress.
    """
    parts = len(inputs.image)
    progress.begin("stage two", total_steps(parts, sampling))
    with torch.no_grad(), backbone.stage_two() as networks:

        def denoise(rows: slice) -> Tensor:
            chosen = (each[rows] for each in (inputs.image, inputs.i_f, inputs.m_f, inputs.m_d))
            some = prepare(networks, StageTwoInputs(*chosen))
            return sample(networks, some, sampling, noise.rows(rows.start, rows.stop), progress)

        return in_chunks(parts, sampling.max_batch, denoise, networks.autoencoder.decode)


def prepare(networks: StageTwoNetworks, inputs: StageTwoInputs) -> Prepared:
    """Encode the inputs and bring the masks to the latents' size."""
    image = networks.autoencoder.encode(inputs.image)
    i_f = networks.autoencoder.encode(inputs.i_f)
    factor = inputs.image.shape[-1] // image.shape[-1]
    m_f, m_d = (latent_mask(m, factor).to(image.device) for m in (inputs.m_f, inputs.m_d))
    return Prepared(image=image, i_f=i_f, m_f=m_f.float(), m_d=m_d)


def sample(
    networks: StageTwoNetworks,
    prepared: Prepared,
    sampling: Sampling,
    noise: Noise,
    progress: Progress,
) -> Tensor:
    """Denoise; returns latents (P, C, h, w) float32."""
    schedule = Schedule.of(networks.schedule, sampling.steps)
    parts, *shape = prepared.image.shape
    device = prepared.image.device
    guided = guidance.count_guided_steps(sampling.steps, sampling.guidance, sampling.guidance_share)
    both = networks.unet.condition(
        torch.cat([text.expand(parts, -1, -1) for text in (networks.no_context, networks.context)])
    )
    conditional = both.rows(parts, 2 * parts)
    known = torch.cat([prepared.m_f, prepared.i_f], dim=1)
    timesteps = torch.tensor(schedule.timesteps, device=device)
    latents = noise.initial(shape).to(device)
    for index, timestep in enumerate(timesteps):
        around = ddim.add_noise(schedule, index, prepared.image, noise.step(shape).to(device))
        latents = torch.where(prepared.m_d, latents, around)
        seen = torch.cat([latents, known], dim=1)
        if index < guided:
            doubled = torch.cat([seen, seen])
            predictions = networks.unet.predict(doubled, timestep, both, None)
            prediction = guidance.combine(predictions, sampling.guidance)
        else:
            prediction = networks.unet.predict(seen, timestep, conditional, None)
        latents = ddim.step(schedule, index, latents, prediction)
        progress.step()
    return torch.where(prepared.m_d, latents, prepared.image)
