"""A program's own img2img as the painter, for models whose networks cannot be had.

One stage, from the start picture (see start), inside m_d. Nothing looks at the part as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from realishuman.diffusion.prompted import Img2Img, Task
from realishuman.imaging.colour import match_parts
from realishuman.paint.base import Painted, show
from realishuman.paint.checkpoint import choose_denoising, patch_of
from realishuman.paint.own_skin import STEP
from realishuman.paint.start import Start, starts
from realishuman.parts.origin import fill
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Interrupted, Progress
from realishuman.settings import CHECKPOINT, Settings

log = logging.getLogger("realishuman")


@dataclass
class Img2ImgPainter:
    """An Img2Img as a Painter.

    notes  sentences on the latest run.
    """

    img2img: Img2Img
    engine: str = CHECKPOINT
    weights: str = CHECKPOINT
    notes: list[str] = field(default_factory=list)

    @property
    def unets(self) -> str:
        """The model's name."""
        return self.img2img.name

    @property
    def note(self) -> str:
        """What repainted, and where parts did not start as they should."""
        return " ".join(self.notes)

    def paint(
        self, parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
    ) -> list[list[Painted]]:
        """As Painter.paint, one try after the other."""
        begun = starts(parts, settings, progress, clock)
        self.notes[:] = [self.img2img.note, *(one.note for one in begun if one.note)]
        painted = []
        for one, start in zip(parts, begun, strict=True):
            seeds = range(settings.seed, settings.seed + settings.tries)
            with clock.timed("img2img"):
                painted.append([self._try(one, start, settings, s, progress) for s in seeds])
        return painted

    def _try(
        self, one: PreparedPart, start: Start, settings: Settings, seed: int, progress: Progress
    ) -> Painted:
        origin = one.origin
        if origin.guidance is None:
            origin = replace(origin, guidance=self.img2img.guidance)
        how = choose_denoising(settings, origin, start.image.shape[-1])
        progress.begin("stage one", how.count)
        given = start.image.permute(1, 2, 0).clamp(0, 1) * 255
        task = Task(
            picture=given.round().byte().cpu().numpy(),
            mask=one.masks.m_d,
            prompt=fill(settings.prompt, origin.prompt, one.part.kind),
            negative=fill(settings.negative_prompt, origin.negative, one.part.kind),
            seed=seed,
            steps=how.steps,
            strength=how.strength,
            guidance=how.guidance,
            sampler=origin.sampler,
            scheduler=origin.scheduler,
            distilled=origin.distilled,
        )
        try:
            pixels = self.img2img.repaint(task)
        except Interrupted:
            raise
        except Exception as error:  # the program's, such as for values that are not numbers
            log.exception("RealisHuman: img2img failed on part %d", one.number)
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            return Painted(None, seed=seed, fault=f"The WebUI's img2img failed on it: {what}")
        progress.step(how.count)  # hears of Interrupt, too
        made = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        if settings.ways.colour_match:
            m_e = torch.from_numpy(one.masks.m_e)[None, None]
            made = match_parts(made[None], start.image[None].cpu(), m_e)[0]
        show(made[None], progress)
        return Painted(patch_of(one, made), seed=seed, steps=_steps(one, start, made))


def _steps(one: PreparedPart, start: Start, made: Tensor) -> dict[str, Tensor]:
    """The intermediate pictures of a part, by name."""
    steps = {"4-stage-one": made}
    if not torch.equal(start.image, one.image):
        steps[STEP] = start.image
    return steps
