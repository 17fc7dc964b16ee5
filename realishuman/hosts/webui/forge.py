"""Forge (version 2) as a host.

A loaded Stable Diffusion 1.x model lends us its classes, and with them Forge's attention; its
modules, patchers and tensors are only looked at (see backbones.twin). Our UNets are given to
Forge's memory manager as models of their own: it makes room for them, streams them layer by layer
where room is short, and loads the user's model again when that samples next.

What a run changes and puts back is the global random state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakSet

import torch
from backend import memory_management
from backend.patcher.base import ModelPatcher
from modules import paths_internal, sd_models, shared
from torch import nn

from realishuman.backbones.loading import Place
from realishuman.backbones.moving import Home, Turns, size, visiting
from realishuman.diffusion.networks import Backbone
from realishuman.hosts.webui.backbone import HostBackbone, Template
from realishuman.hosts.webui.host import description_of, models_folder_of, random_state_kept
from realishuman.weights.pack import Pack

_FULL = (torch.float16, torch.bfloat16, torch.float32)
_PARAMETERS = 860_000_000  # of a Stable Diffusion 1.x UNet; Forge picks precisions by it
_CPU = torch.device("cpu")


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
        return Place(device, memory_management.get_computation_dtype(device, _PARAMETERS))

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
        patchers = [ModelPatcher(each, device, _CPU) for each in unets]
        home = Home(unets)
        try:
            with torch.inference_mode(False), torch.no_grad():
                memory_management.load_models_gpu(
                    patchers,
                    memory_required=activations,
                    hard_memory_preservation=size(others),
                )
            with visiting(others, device):
                yield None
        finally:
            for patcher in patchers:
                memory_management.unload_model_clones(patcher)
            home.restore()
            memory_management.soft_empty_cache()


def _model() -> Any:
    """The loaded model, or the stand-in Forge has before the first picture."""
    return sd_models.model_data.sd_model
