"""Which painter repaints a kind of part: what the setting `engine` names, or the best there is."""

from __future__ import annotations

from realishuman.paint.base import Painter
from realishuman.paint.checkpoint import CheckpointPainter
from realishuman.paint.img2img import Img2ImgPainter
from realishuman.paint.own_skin import OwnSkin
from realishuman.paint.two_stage import TwoStage
from realishuman.pipeline.models import Models
from realishuman.settings import CHECKPOINT, PACK, TRANSPLANT, Settings


def choose_painter(models: Models, kind: str, settings: Settings) -> Painter | None:
    """The painter of a kind of part; None where nothing can paint it."""
    engine = models.engine_for(kind, settings)
    if engine == CHECKPOINT and models.checkpoint is not None:
        img2img = models.checkpoint.img2img()
        return Img2ImgPainter(img2img) if img2img else CheckpointPainter(models.checkpoint)
    if engine == PACK:
        return TwoStage(models.packs[kind].header, models.backbone(kind))
    return OwnSkin() if engine == TRANSPLANT else None
