"""Repaints a masked place of a picture with a checkpoint that was not trained for it.

The picture is noised to a strength and denoised; outside the mask the latents are replaced before
every step by the picture's own, noised to that step, and at the end by the picture's own, clean. A
reference, the part as it was, goes through the same UNet at every timestep, noised to that step,
and the conditional rows look at its features in every self-attention (paper eq. 2).

Source  Meng et al. 2022, "SDEdit", for the strength; Lugmayr et al. 2022, "RePaint", for the mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from realishuman.diffusion import ddim, guidance
from realishuman.diffusion.networks import Condition
from realishuman.diffusion.noise import Noise
from realishuman.diffusion.prompted import (
    CheckpointNetworks,
    Prompt,
    Reference,
    find_trusted_tokens,
)
from realishuman.diffusion.sampling import in_chunks
from realishuman.diffusion.schedule import Schedule
from realishuman.imaging.masks import latent_mask
from realishuman.progress import Progress

TIMESTEPS_AT_ONCE = 2  # of the reference: its passes are no larger than those with guidance


@dataclass(frozen=True)
class Place:
    """What is to be repainted of P crops.

    picture  (P, 3, R, R) in [0, 1], also what denoising starts from.
    mask     (P, 1, R, R) bool, what may change.
    depth    (P, 3, R, R) in [0, 1], what a ControlNet is shown; None where there is none.
    """

    picture: Tensor
    mask: Tensor
    depth: Tensor | None = None

    def rows(self, rows: slice) -> Place:
        """Only some of the crops."""
        depth = None if self.depth is None else self.depth[rows]
        return Place(self.picture[rows], self.mask[rows], depth)

    def said_in(self, words: Prompt) -> Prompt:
        """The words of both branches of guidance, and the depth in both."""
        return words if self.depth is None else replace(words, depth=self.depth.repeat(2, 1, 1, 1))


@dataclass(frozen=True)
class Looks:
    """What P crops show that is to be kept: the parts as they were.

    picture  (P, 3, R, R) in [0, 1].
    trusted  (P, 1, R, R) bool, where it may be looked at.
    weight   of Reference.
    """

    picture: Tensor
    trusted: Tensor
    weight: float


@dataclass(frozen=True)
class Denoising:
    """How a place is repainted.

    steps            of the whole schedule; the share `strength` of them is taken, at least one.
    guidance         classifier-free scale; 1 means no unconditional rows at all.
    reference_every, guidance_share, max_batch  as in sampling.Sampling.
    """

    steps: int
    strength: float
    guidance: float
    reference_every: int = 1
    guidance_share: float = 1.0
    max_batch: int = 4

    @property
    def count(self) -> int:
        """Steps that are taken."""
        return max(1, min(int(self.steps * self.strength), self.steps))


def repaint(
    networks: CheckpointNetworks,
    place: Place,
    words: Prompt,
    denoising: Denoising,
    noise: Noise,
    progress: Progress,
    looks: Looks | None = None,
) -> tuple[Tensor, Tensor]:
    """Repaint places.

    words    2P rows: P that say what is not wanted, then P that say what is.
    Returns  images (P, 3, R, R) float32 in [0, 1] and finite (P,) bool, both on the CPU. A part
             is not finite when its values left the range of numbers; its image is black then.
    Raises   SettingsError if the weights cannot be sampled in that many steps; Interrupted from
             progress.
    """
    parts = len(place.picture)

    def denoise(rows: slice) -> Tensor:
        shown = looks and Looks(looks.picture[rows], looks.trusted[rows], looks.weight)
        own, said = noise.rows(rows.start, rows.stop), rows_of(words, parts, rows)
        return sample(networks, place.rows(rows), said, denoising, own, progress, shown)

    with torch.no_grad():
        return in_chunks(parts, denoising.max_batch, denoise, networks.autoencoder.decode)


def sample(
    networks: CheckpointNetworks,
    place: Place,
    words: Prompt,
    denoising: Denoising,
    noise: Noise,
    progress: Progress,
    looks: Looks | None = None,
) -> Tensor:
    """Denoise; returns latents (P, C, h, w) float32."""
    schedule = Schedule.on(networks.noise, denoising.steps, denoising.count)
    picture = networks.autoencoder.encode(place.picture * 2 - 1)
    parts, *shape = picture.shape
    device = picture.device
    mask = latent_mask(place.mask, place.picture.shape[-1] // shape[-1]).to(device)
    known = known_of(networks, place, mask)
    drawn = noise.initial(shape).to(device)
    seen = None if looks is None else _Seen.of(networks, looks, noise.initial(shape).to(device))
    both = networks.unet.condition(place.said_in(words))
    conditional = both.rows(parts, 2 * parts)
    timesteps = torch.tensor(schedule.timesteps, device=device)
    guided = guidance.count_guided_steps(
        len(timesteps), denoising.guidance, denoising.guidance_share
    )
    references = seen.references(networks, schedule, conditional, denoising) if seen else None
    latents, reference = picture, None
    for index, timestep in enumerate(timesteps):
        around = ddim.add_noise(schedule, index, picture, drawn)
        latents = torch.where(mask, latents, around) if index else around
        if references is not None and index % denoising.reference_every == 0:
            reference = next(references)
        given = latents if known is None else torch.cat([latents, known], dim=1)
        if index < guided:
            doubled = torch.cat([given, given])
            predictions = networks.unet.predict(doubled, timestep, both, reference)
            prediction = guidance.combine(predictions, denoising.guidance)
        else:
            prediction = networks.unet.predict(given, timestep, conditional, reference)
        latents = ddim.step(schedule, index, latents, prediction)
        progress.step()
    return torch.where(mask, latents, picture)


@dataclass(frozen=True)
class _Seen:
    """The looks as latents (P, C, h, w), their noise, and what more an inpainting UNet is given."""

    latents: Tensor
    noise: Tensor
    known: Tensor | None
    trusted: Tensor
    weight: float

    @classmethod
    def of(cls, networks: CheckpointNetworks, looks: Looks, noise: Tensor) -> _Seen:
        latents = networks.autoencoder.encode(looks.picture * 2 - 1)
        known = None
        if networks.inpainting:  # nothing of it is to be repainted
            known = torch.cat([torch.zeros_like(latents[:, :1]), latents], dim=1)
        return cls(latents, noise, known, looks.trusted.to(latents.device), looks.weight)

    def references(
        self,
        networks: CheckpointNetworks,
        schedule: Schedule,
        condition: Condition,
        denoising: Denoising,
    ) -> Iterator[Reference]:
        """Yield the reference of every so many steps; several timesteps go through in one pass."""
        parts, trusted = len(self.latents), None
        indices = range(0, len(schedule.timesteps), denoising.reference_every)
        for first in range(0, len(indices), TIMESTEPS_AT_ONCE):
            group = indices[first : first + TIMESTEPS_AT_ONCE]
            noised = [ddim.add_noise(schedule, each, self.latents, self.noise) for each in group]
            given = torch.cat(noised)
            if self.known is not None:
                given = torch.cat([given, self.known.repeat(len(group), 1, 1, 1)], dim=1)
            times = torch.tensor([schedule.timesteps[each] for each in group], device=given.device)
            bank = networks.unet.features(
                given, times.repeat_interleave(parts), condition.repeat(len(group))
            )
            trusted = trusted or find_trusted_tokens(self.trusted, bank.features)
            for row in range(0, len(given), parts):
                yield Reference(bank.rows(row, row + parts), trusted, self.weight)


def known_of(networks: CheckpointNetworks, place: Place, mask: Tensor) -> Tensor | None:
    """What an inpainting UNet is given besides latents, (P, 1 + C, h, w): the mask, and the picture
    with what it covers in mid grey; None for other UNets."""
    if not networks.inpainting:
        return None
    hidden = torch.where(place.mask, torch.zeros_like(place.picture), place.picture * 2 - 1)
    return torch.cat([mask.float(), networks.autoencoder.encode(hidden)], dim=1)


def rows_of(words: Prompt, parts: int, rows: slice) -> Prompt:
    """The words of some parts, of 2P rows as repaint takes them."""

    def some(tensor: Tensor) -> Tensor:
        return torch.cat([tensor[:parts][rows], tensor[parts:][rows]])

    vector = None if words.vector is None else some(words.vector)
    return Prompt(some(words.tokens), vector)


def join(prompts: Sequence[Prompt], empty: Prompt) -> Prompt:
    """Prompts of one row each as one of as many rows; short ones are followed by empty chunks.

    empty  the prompt of no words.
    """
    longest = max(one.tokens.shape[1] for one in prompts)
    rows = []
    for one in prompts:
        lacking = (longest - one.tokens.shape[1]) // empty.tokens.shape[1]
        rows.append(torch.cat([one.tokens, *[empty.tokens.to(one.tokens)] * lacking], dim=1))
    vectors = [one.vector for one in prompts if one.vector is not None]
    return Prompt(torch.cat(rows), torch.cat(vectors) if vectors else None)
