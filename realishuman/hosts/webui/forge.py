"""Forge (version 2), Forge Neo and what else is built on either, as a host.

A loaded Stable Diffusion 1.x model lends us its classes, and with them Forge's attention; its
modules, patchers and tensors are only looked at (see backbones.twin). Our UNets are given to
the memory manager as models of their own: it makes room for them, streams them layer by layer
where room is short, and loads the user's model again when that samples next. Networks that are not
of the host's classes cannot be streamed: they get the room and, where it is too small, take turns.

What a run changes and puts back is the global random state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakSet

import torch
from backend import memory_management
from modules import paths_internal, sd_models, shared
from torch import nn

from realishuman.backbones.loading import Place
from realishuman.backbones.moving import Home, Turns, size, visiting
from realishuman.diffusion.networks import Backbone
from realishuman.hosts.webui import forge_memory
from realishuman.hosts.webui.backbone import HostBackbone, Template
from realishuman.hosts.webui.host import description_of, models_folder_of, random_state_kept
from realishuman.weights.pack import Pack

_FULL = (torch.float16, torch.bfloat16, torch.float32)


class ForgeHost:
    """See host.Host and backbone.Surroundings."""

    name = "Forge"

    def __init__(self) -> None:
        self._backbones: WeakSet[HostBackbone] = WeakSet()

    def open_backbone(self, pack: Pack) -> Backbone:
        """See host.Host."""
        backbone = HostBackbone(pack, self)
        self._backbones.add(backbone)
        return backbone

    def describe(self) -> str:
        """See host.Host."""
        return description_of(self.template(), _model())

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """See host.Host."""
        with random_state_kept():
            yield

    def release(self) -> None:
        """See host.Host."""
        for backbone in self._backbones:
            backbone.release()
        memory_management.soft_empty_cache()

    def models_folder(self) -> Path:
        """See host.Host."""
        return models_folder_of(shared.cmd_opts, shared.opts.data, paths_internal.models_path)

    def place(self) -> Place:
        """See backbone.Surroundings."""
        device = torch.device(memory_management.get_torch_device())
        return Place(device, forge_memory.computation_dtype(device))

    def autoencoder_dtype(self) -> torch.dtype:
        """See backbone.Surroundings."""
        single = memory_management.vae_dtype() is torch.float32
        return torch.float32 if single else self.place().dtype

    def template(self) -> Template:
        """See backbone.Surroundings."""
        # as loaded: what LoRA, ControlNet and others make of it are clones of this
        patcher = getattr(getattr(_model(), "forge_objects_original", None), "unet", None)
        if patcher is None:
            return Template(None, "no model is loaded")
        if not getattr(_model(), "is_sd1", False):
            return Template(None, "the loaded model is not Stable Diffusion 1.x")
        if (stored := patcher.model.storage_dtype) not in _FULL:
            return Template(None, f"the loaded model is stored as {stored}")
        return Template(patcher.model.diffusion_model)

    def computing(self) -> AbstractContextManager[object]:
        """See backbone.Surroundings."""
        return nullcontext()

    @contextmanager
    def resident(
        self, unets: Sequence[nn.Module], others: Sequence[nn.Module], activations: int
    ) -> Iterator[Turns | None]:
        """See backbone.Surroundings."""
        device = self.place().device
        streamed = [each for each in unets if forge_memory.can_stream(each)]
        whole = [*others, *(each for each in unets if each not in streamed)]
        try:
            with ExitStack() as stack:
                if streamed:
                    stack.enter_context(_loaded(streamed, activations, size(whole)))
                elif not forge_memory.make_room(size(whole) + activations, device):
                    yield stack.enter_context(Turns(device))
                    return
                stack.enter_context(visiting(whole, device))
                yield None
        finally:
            memory_management.soft_empty_cache()


@contextmanager
def _loaded(modules: Sequence[nn.Module], activations: int, others: int) -> Iterator[None]:
    """Modules in the memory manager's care inside; as and where they were after."""
    home = Home(modules)
    patchers = [forge_memory.patcher_for(each) for each in modules]
    try:
        with torch.inference_mode(False), torch.no_grad():
            forge_memory.load(patchers, activations, others)
        yield
    finally:
        home.restore()  # first: then nothing is copied back from the device
        for patcher in patchers:
            forge_memory.unload(patcher)


def _model() -> Any:
    """The loaded model, or the stand-in Forge has before the first picture."""
    return sd_models.model_data.sd_model
