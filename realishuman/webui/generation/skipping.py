"""img2img without sampling: the picture that is there takes the place of what would be painted.

The job runs as ever, in the picture's own size, so that whatever works on finished pictures does so
here. The mask is put aside while the host prepares itself: with "only masked" it would cut the
picture down to the mask and scale it.
"""

from __future__ import annotations

import numpy as np
from PIL import ImageOps

from realishuman.webui.foreign import Processing

MASK = "_realishuman_mask"  # attribute of p: the mask that was put aside
SKIPPED = "_realishuman_skipped"  # attribute of p: whether nothing is sampled


def skip(p: Processing) -> bool:
    """Let a job of img2img give back its pictures; False if it is none. Before p.init."""
    pictures = getattr(p, "init_images", None)
    if not pictures or pictures[0] is None:
        return False
    p.width, p.height = pictures[0].size
    setattr(p, MASK, getattr(p, "image_mask", None))
    p.image_mask = None
    setattr(p, SKIPPED, True)
    p.sample = lambda *_arguments, **named: _make_stand_in(p, len(named.get("prompts") or pictures))
    return True


def is_skipped(p: Processing) -> bool:
    """Whether the job gives back its pictures."""
    return bool(getattr(p, SKIPPED, False))


def resume(p: Processing) -> None:
    """Give the mask back, as p.init would have left it: it says which parts are meant."""
    if (mask := getattr(p, MASK, None)) is None:
        return
    from modules import processing

    seen = processing.create_binary_mask(mask)
    p.mask_for_overlay = ImageOps.invert(seen) if p.inpainting_mask_invert else seen
    p.image_mask = mask
    setattr(p, MASK, None)


def _make_stand_in(p: Processing, count: int) -> object:
    """What the host takes for `count` decoded pictures: (3, H, W) float32 each, about -1 to 1."""
    import torch
    from modules import images, processing, shared

    background = shared.opts.img2img_background_color
    decoded = []
    for number in range(count):
        one = images.flatten(p.init_images[number % len(p.init_images)], background)
        pixels = np.asarray(one, np.float32)
        # half a step up, because the host cuts decimals off
        decoded.append(torch.from_numpy((pixels + 0.5) / 127.5 - 1).permute(2, 0, 1))
    return processing.DecodedSamples(decoded)
