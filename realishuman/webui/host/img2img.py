"""The host's own img2img on one crop, with whatever model is loaded.

The run has no scripts and calls nobody, so no other extension takes part in it, nor our own again.
It saves nothing, counts no job of its own, and keeps the LoRAs that are applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.diffusion.prompted import Task
from realishuman.progress import Interrupted
from realishuman.webui.host.kept import changed, remarks_kept, seeded
from realishuman.webui.host.surroundings import Surroundings, loaded_model

SAMPLER = "Euler"  # where nobody says: every model can be sampled with it
_OPTIONS = {  # of the host's settings, those that would show the run to the user
    "save_init_img": False,
    "img2img_color_correction": False,
    "overlay_inpaint": False,
    "return_grid": False,
    "return_mask": False,
    "return_mask_composite": False,
    "multiple_tqdm": False,
}
_STATE = ("job", "job_no", "job_count", "sampling_step", "sampling_steps")


class HostImg2Img:
    """prompted.Img2Img.

    why  its networks cannot be had, in half a sentence.
    """

    def __init__(self, host: Surroundings, name: str, why: str) -> None:
        self._host, self._name, self._why = host, name, why

    @property
    def name(self) -> str:
        """See Img2Img."""
        return self._name

    @property
    def note(self) -> str:
        """See Img2Img."""
        return (
            f"{self._host.name}'s own img2img repaints, in one stage and without a look at the "
            f"part as it was: {self._why}."
        )

    @property
    def guidance(self) -> float | None:
        """See Img2Img; a model that has its guidance distilled is spoilt by more."""
        return 1.0 if getattr(loaded_model(), "use_distilled_cfg_scale", False) else None

    def repaint(self, task: Task) -> NDArray[np.uint8]:
        """See Img2Img."""
        from modules import processing, sd_samplers

        p = _processing(task)
        with seeded(task.seed), remarks_kept(), self._host.lent().set_aside(), _unnoticed():
            sd_samplers.fix_p_invalid_sampler_and_scheduler(p)
            # not process_images: Neo's may send the picture to a service
            made = processing.process_images_inner(p).images
        if not made:
            raise Interrupted("Interrupt was pressed")
        return np.array(made[0].convert("RGB"))


def _processing(task: Task) -> Any:
    """The run, which shares no list with others: hosts cache prompts in lists of the class."""
    from modules.processing import StableDiffusionProcessingImg2Img

    side = len(task.picture)
    p = StableDiffusionProcessingImg2Img(
        init_images=[Image.fromarray(task.picture)],
        mask=Image.fromarray(task.mask.astype(np.uint8) * 255),
        mask_blur=0,
        inpainting_fill=1,  # the picture
        inpaint_full_res=False,
        width=side,
        height=side,
        prompt=task.prompt,
        negative_prompt=task.negative,
        seed=task.seed,
        steps=task.steps,
        cfg_scale=task.guidance,
        denoising_strength=task.strength,
        sampler_name=task.sampler or SAMPLER,
        scheduler=task.scheduler or None,
        restore_faces=False,
        tiling=False,
        do_not_save_samples=True,
        do_not_save_grid=True,
        do_not_reload_embeddings=True,
        disable_extra_networks=True,  # as they are
    )
    if task.distilled is not None and hasattr(p, "distilled_cfg_scale"):
        p.distilled_cfg_scale = task.distilled
    for kind in type(p).__mro__:
        for name, value in vars(kind).items():
            if isinstance(value, list):
                setattr(p, name, list(value))
    return p


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Nothing is saved or counted, and other extensions do not hear of the sampling.

    *Interrupt after this picture* is not about this run.
    """
    from modules import script_callbacks, shared

    heard = script_callbacks.callback_map
    sampling = [name for name in heard if name.startswith("callbacks_cfg_")]
    state, stopping = shared.state, shared.state.stopping_generation
    kept = {name: getattr(state, name) for name in _STATE}
    state.stopping_generation = False
    try:
        with (
            changed(shared.opts.data, _OPTIONS),
            changed(vars(shared.cmd_opts), {"no_prompt_history": True}),
            changed(vars(state), kept),
            changed(heard, {name: [] for name in sampling}),
        ):
            yield
    finally:
        state.stopping_generation = state.stopping_generation or stopping
