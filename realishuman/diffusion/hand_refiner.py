"""HandRefiner's repainting: inpainting from pure noise, which a ControlNet steers by depth.

Outside the mask the latents are replaced before every step by the picture's own with fresh noise.
They are the mode of the autoencoder's posterior here, in the published code a sample of it.

Source  Lu et al. 2024, "HandRefiner: Refining Malformed Hands in Generated Images by
        Diffusion-based Conditional Inpainting", and the published code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realishuman.diffusion import ddim, guidance
from realishuman.diffusion.noise import Noise
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt
from realishuman.diffusion.repainting import Place, known_of, rows_of
from realishuman.diffusion.sampling import in_chunks
from realishuman.diffusion.schedule import Schedule
from realishuman.imaging.masks import latent_mask
from realishuman.progress import Progress


def refine_hands(
    networks: CheckpointNetworks,
    place: Place,
    words: Prompt,
    steps: int,
    scale: float,
    max_batch: int,
    noise: Noise,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """Repaint places, which have a depth; arguments, result and errors as of repainting.repaint.

    networks  of an inpainting checkpoint with a ControlNet.
    scale     of classifier-free guidance.
    """
    parts = len(place.picture)

    def denoise(rows: slice) -> Tensor:
        own, said = noise.rows(rows.start, rows.stop), rows_of(words, parts, rows)
        return _sample(networks, place.rows(rows), said, steps, scale, own, progress)

    with torch.no_grad():
        return in_chunks(parts, max_batch, denoise, networks.autoencoder.decode)


def _sample(
    networks: CheckpointNetworks,
    place: Place,
    words: Prompt,
    steps: int,
    scale: float,
    noise: Noise,
    progress: Progress,
) -> Tensor:
    schedule = Schedule.on(networks.noise, steps)
    picture = networks.autoencoder.encode(place.picture * 2 - 1)
    shape, device = picture.shape[1:], picture.device
    mask = latent_mask(place.mask, place.picture.shape[-1] // shape[-1]).to(device)
    known = known_of(networks, place, mask)
    if known is None:
        raise ValueError("no inpainting checkpoint")
    both = networks.unet.condition(place.said_in(words))
    latents = noise.initial(shape).to(device)
    for index, timestep in enumerate(torch.tensor(schedule.timesteps, device=device)):
        around = ddim.add_noise(schedule, index, picture, noise.step(shape).to(device))
        latents = torch.where(mask, latents, around)
        given = torch.cat([latents, known], dim=1)
        predictions = networks.unet.predict(torch.cat([given, given]), timestep, both, None)
        latents = ddim.step(schedule, index, latents, guidance.combine(predictions, scale))
        progress.step()
    return latents
