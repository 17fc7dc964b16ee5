"""Which painter repaints a kind of part: what the setting `engine` names, or the best there is."""

from __future__ import annotations

from realishuman.paint.base import Painter
from realishuman.paint.checkpoint import CheckpointPainter
from realishuman.paint.hand_refiner import HandRefiner
from realishuman.paint.img2img import Img2ImgPainter
from realishuman.paint.own_skin import OwnSkin
from realishuman.paint.two_stage import TwoStage
from realishuman.pipeline.models import Models
from realishuman.settings import CHECKPOINT, HANDREFINER, PACK, TRANSPLANT, Settings


def choose_painter(models: Models, kind: str, settings: Settings) -> Painter | None:
    """The painter of a kind of part; None where nothing can paint it."""
    engine, checkpoint = models.engine_for(kind, settings), models.checkpoint
    if engine == CHECKPOINT and checkpoint is not None:
        img2img = checkpoint.img2img()
        return Img2ImgPainter(img2img) if img2img else CheckpointPainter(checkpoint)
    if engine == HANDREFINER and checkpoint is not None:
        unable = checkpoint.why_not() or checkpoint.img2img()
        return None if unable else HandRefiner(checkpoint)
    if engine == PACK:
        return TwoStage(models.packs[kind].header, models.backbone(kind))
    return OwnSkin() if engine == TRANSPLANT else None
