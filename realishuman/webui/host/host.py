"""The WebUI that runs us: one class for all of them, on top of what differs, its Surroundings."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import torch

from realishuman.backbones.loading import Place
from realishuman.diffusion.networks import Backbone
from realishuman.diffusion.prompted import Checkpoint
from realishuman.errors import BackboneError
from realishuman.packs.pack import Pack
from realishuman.webui.choices import Control
from realishuman.webui.host.backbone import HostBackbone
from realishuman.webui.host.checkpoint import LoadedCheckpoint
from realishuman.webui.host.control import HostControl
from realishuman.webui.host.program import program
from realishuman.webui.host.surroundings import Surroundings, loaded_model
from realishuman.webui.options import MODELS_DIR, option


class Host:
    """The WebUI around us, for everything above networks."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._backbones: WeakSet[HostBackbone] = WeakSet()

    @property
    def name(self) -> str:
        """As its users call it."""
        return self._surroundings.name

    def place(self) -> Place:
        """Device and precision in which UNets of ours compute."""
        return self._surroundings.place()

    def open_backbone(self, pack: Pack) -> Backbone:
        """The pack's networks, on the loaded model's UNet classes where that model fits."""
        backbone = HostBackbone(pack, self._surroundings)
        self._backbones.add(backbone)
        return backbone

    def checkpoint(self, control: Control | None = None) -> Checkpoint:
        """The loaded model as what repaints parts, steered by a ControlNet if one is chosen."""
        return LoadedCheckpoint(self._surroundings, HostControl(control) if control else None)

    def describe(self) -> str:
        """What is loaded and what that means for packs, in a sentence."""
        template = self._surroundings.template()
        if template.module is None:
            why = template.why_not
            return f"{why[:1].upper()}{why[1:]}: packs run on their own networks."
        checkpoint = getattr(loaded_model(), "sd_checkpoint_info", None)
        title = getattr(checkpoint, "name_for_extra", "A model")
        return (
            f"{title} is loaded: packs of the same size reuse its UNet classes, others run on "
            "their own networks."
        )

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Around every run: what a run could disturb is afterwards as it was, however it ends."""
        with _random_state_kept(), self._surroundings.undisturbed():
            yield

    def release(self) -> None:
        """Let go of all networks of ours, in RAM and on the device; they load again when needed."""
        for backbone in self._backbones:
            backbone.release()
        self._surroundings.empty_cache()

    def models_folder(self) -> Path:
        """Where packs and other model files lie; it need not exist.

        The folder the command line names, else the option, else `realishuman` among the models.
        """
        from modules import paths_internal, shared

        named = getattr(shared.cmd_opts, MODELS_DIR, None) or option(MODELS_DIR)
        return Path(named) if named else Path(paths_internal.models_path) / "realishuman"


@functools.cache
def current() -> Host:
    """The WebUI of this process. Raises BackboneError where nothing can be refined; see program."""
    found = program()
    if found.why_not:
        raise BackboneError(found.why_not)
    # each imports its program's modules, so only the one that runs can be imported
    if found.adapter == "forge":
        from realishuman.webui.host.forge import Forge

        return Host(Forge())
    from realishuman.webui.host.a1111 import A1111

    return Host(A1111())


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Python's, numpy's and torch's global random numbers go on afterwards as if nothing was.

    Ours come from own generators; libraries beneath may still draw.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the host's
    cuda: Any = torch.cuda  # not all of it is typed
    gpus = list(range(cuda.device_count())) if cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
