"""Both stages without training, on a checkpoint that the user has loaded or named.

Stage one repaints the part from its start picture (see start), noised to `strength`, and looks at
the part as it was in every self-attention. Stage two repaints the ring between it and the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.prompted import Checkpoint, CheckpointNetworks, Prompt
from realishuman.diffusion.repainting import Denoising, Looks, Place, repaint
from realishuman.imaging.colour import match_parts
from realishuman.imaging.crop import RELEASED_SIZE
from realishuman.imaging.masks import with_core
from realishuman.imaging.paste import Patch
from realishuman.paint.base import Painted, show
from realishuman.paint.own_skin import STEP
from realishuman.paint.start import Start, starts
from realishuman.paint.words import NOT_NUMBERS, embed_all
from realishuman.parts.origin import Origin, fill
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress
from realishuman.settings import CHECKPOINT, Settings

STEPS, GUIDANCE = 30, 6.0  # where neither the user nor the picture says


@dataclass
class CheckpointPainter:
    """A checkpoint as a Painter.

    notes  sentences on the latest run.
    """

    checkpoint: Checkpoint
    engine: str = CHECKPOINT
    weights: str = CHECKPOINT
    notes: list[str] = field(default_factory=list)

    @property
    def unets(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @property
    def note(self) -> str:
        """Where parts did not start as they should."""
        return " ".join(self.notes)

    def paint(
        self, parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
    ) -> list[list[Painted]]:
        """As Painter.paint; every try of a part is a part of its own to the networks.

        Pictures that were made with other steps or guidance are painted apart.
        """
        begun = starts(parts, settings, progress, clock)
        self.notes[:] = [one.note for one in begun if one.note]
        groups: dict[Denoising, list[int]] = {}
        for place, one in enumerate(parts):
            denoising = choose_denoising(settings, one.origin, self.checkpoint.side)
            groups.setdefault(denoising, []).append(place)
        painted: dict[int, list[Painted]] = {}
        with self.checkpoint.networks() as networks:
            for denoising, places in groups.items():
                some = [parts[place] for place in places]
                starting = [begun[place] for place in places]
                crops = _Crops.of(some, starting, settings, networks.controlled)
                tries = _paint(networks, crops, denoising, settings, progress, clock)
                painted.update(zip(places, tries, strict=True))
        return [painted[place] for place in range(len(parts))]


def choose_denoising(settings: Settings, origin: Origin, side: int) -> Denoising:
    """What the user says counts, then how the picture was made.

    side  of the crops: of large ones fewer go through the networks at once.
    """
    fitting = settings.max_batch * RELEASED_SIZE**2 // side**2
    guidance = settings.guidance
    if guidance is None:
        guidance = GUIDANCE if origin.guidance is None else max(origin.guidance, 1.0)
    return Denoising(
        steps=settings.steps or origin.steps or STEPS,
        strength=settings.strength,
        guidance=guidance,
        reference_every=settings.reference_every,
        guidance_share=settings.guidance_share,
        max_batch=max(1, min(settings.max_batch, fitting)),
    )


@dataclass(frozen=True)
class _Crops:
    """What the stages read of N parts, each as often as it is tried.

    image, start     (N, 3, R, R) in [0, 1].
    m_d, m_e, trusted  (N, 1, R, R) bool.
    depth            (N, 3, R, R) in [0, 1] for a ControlNet; None without one.
    """

    parts: Sequence[PreparedPart]
    seeds: Sequence[int]
    image: Tensor
    start: Tensor
    m_d: Tensor
    m_e: Tensor
    trusted: Tensor
    depth: Tensor | None = None

    @classmethod
    def of(
        cls,
        parts: Sequence[PreparedPart],
        begun: Sequence[Start],
        settings: Settings,
        controlled: bool,
    ) -> _Crops:
        tries = range(settings.tries)
        tried = [pair for pair in zip(parts, begun, strict=True) for _ in tries]
        return cls(
            [one for one, _ in tried],
            [settings.seed + number for number in tries] * len(parts),
            torch.stack([one.image for one, _ in tried]),
            torch.stack([start.image for _, start in tried]),
            _stacked([one.masks.m_d for one, _ in tried]),
            _stacked([one.masks.m_e for one, _ in tried]),
            _stacked([start.trusted for _, start in tried]),
            torch.stack([one.depth for one, _ in tried]) if controlled else None,
        )


def _paint(
    networks: CheckpointNetworks,
    crops: _Crops,
    denoising: Denoising,
    settings: Settings,
    progress: Progress,
    clock: Clock,
) -> list[list[Painted]]:
    """Both stages of parts that are denoised alike, their tries together."""
    numbers = [one.number for one in crops.parts]
    total = denoising.count * -(-len(numbers) // denoising.max_batch)
    with torch.no_grad(), clock.timed("stage one"):
        progress.begin("stage one", total)
        words = _words(networks, crops.parts, settings)
        looks = Looks(crops.image, crops.trusted, settings.reference_weight)
        repaired, good_one = repaint(
            networks,
            Place(crops.start, crops.m_d, crops.depth),
            words,
            denoising,
            PartNoise(crops.seeds, numbers, "checkpoint one"),
            progress,
            looks if settings.reference_weight else None,
        )
    if settings.ways.colour_match:
        repaired = match_parts(repaired, crops.start, crops.m_e)
    show(repaired, progress)
    with torch.no_grad(), clock.timed("stage two"):
        progress.begin("stage two", total)
        around = torch.where(crops.m_d, repaired, crops.image)
        refined, good_two = repaint(
            networks,
            Place(around, crops.m_d & ~crops.m_e, crops.depth),
            words,
            denoising,
            PartNoise(crops.seeds, numbers, "checkpoint two"),
            progress,
        )
    refined = with_core(refined, repaired, crops.m_e)
    show(refined, progress)
    good = (good_one & good_two).tolist()
    painted = [
        Painted(
            patch_of(one, refined[row]),
            seed=crops.seeds[row],
            fault="" if good[row] else NOT_NUMBERS,
            steps=_steps(crops, row, repaired[row], refined[row]),
        )
        for row, one in enumerate(crops.parts)
    ]
    tries = settings.tries
    return [painted[row : row + tries] for row in range(0, len(painted), tries)]


def _steps(crops: _Crops, row: int, repaired: Tensor, refined: Tensor) -> dict[str, Tensor]:
    """The intermediate pictures of a part, by name."""
    steps = {"4-stage-one": repaired, "5-stage-two": refined}
    if crops.depth is not None:
        steps["2-depth"] = crops.depth[row]
    if not torch.equal(crops.start[row], crops.image[row]):
        steps[STEP] = crops.start[row]
    return steps


def _words(
    networks: CheckpointNetworks, parts: Sequence[PreparedPart], settings: Settings
) -> Prompt:
    return embed_all(
        networks,
        [fill(settings.negative_prompt, one.origin.negative, one.part.kind) for one in parts],
        [fill(settings.prompt, one.origin.prompt, one.part.kind) for one in parts],
    )


def patch_of(one: PreparedPart, image: Tensor) -> Patch:
    """The crop (3, R, R) as it is to be pasted inside m_d."""
    masks = one.masks
    return Patch(
        one.number,
        image.cpu(),
        one.crop,
        masks.m_d,
        masks.m,
        masks.m_e,
        one.covered,
        one.fades,
        one.numbers[1:],
    )


def _stacked(masks: Sequence[NDArray[np.bool_]]) -> Tensor:
    return torch.from_numpy(np.stack(masks))[:, None]
