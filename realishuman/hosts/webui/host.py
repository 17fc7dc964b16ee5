"""What every WebUI can do for us, and the one that runs us."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from realishuman.backbones.loading import Place
from realishuman.diffusion.networks import Backbone
from realishuman.errors import BackboneError
from realishuman.hosts.webui.backbone import Template
from realishuman.hosts.webui.program import program
from realishuman.weights.pack import Pack

MODELS_FLAG = "realishuman_models_dir"  # of the command line, and the option's name


class Host(Protocol):
    """The WebUI we run in."""

    @property
    def name(self) -> str:
        """As its users call it."""

    def place(self) -> Place:
        """Device and precision in which UNets of ours compute."""

    def open_backbone(self, pack: Pack) -> Backbone:
        """The pack's networks, on the loaded model's UNet classes where that model fits."""

    def describe(self) -> str:
        """What is loaded and what that means for packs, in a sentence."""

    def undisturbed(self) -> AbstractContextManager[None]:
        """Around every run: what a run could disturb is afterwards as it was, however it ends."""

    def release(self) -> None:
        """Let go of all networks of ours, in RAM and on the device; they load again when needed."""

    def models_folder(self) -> Path:
        """Where packs and other model files lie; it need not exist."""


@functools.cache
def current() -> Host:
    """The WebUI of this process. Raises BackboneError where nothing can be refined; see program."""
    found = program()
    if found.why_not:
        raise BackboneError(found.why_not)
    if found.adapter == "forge":
        from realishuman.hosts.webui.forge import ForgeHost

        return ForgeHost()
    from realishuman.hosts.webui.a1111 import A1111Host

    return A1111Host()


def models_folder_of(cmd_opts: Any, options: dict[str, Any], models_path: str) -> Path:
    """The folder the command line names, else the option, else `realishuman` among the models."""
    named = getattr(cmd_opts, MODELS_FLAG, None) or options.get(MODELS_FLAG)
    return Path(named) if named else Path(models_path) / "realishuman"


def description_of(template: Template, model: Any) -> str:
    """What a host says of its loaded model; see Host.describe."""
    if template.module is None:
        why = template.why_not
        return f"{why[:1].upper()}{why[1:]}: packs run on their own networks."
    title = getattr(getattr(model, "sd_checkpoint_info", None), "name_for_extra", "A model")
    return (
        f"{title} is loaded: packs of its sizes run on its UNet's classes, others on their own "
        "networks."
    )


@contextmanager
def random_state_kept() -> Iterator[None]:
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
