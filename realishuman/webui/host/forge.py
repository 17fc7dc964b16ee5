"""Forge (version 2), Forge Neo and what else is built on either, around us.

A loaded Stable Diffusion 1.x model lends us its classes, and with them Forge's attention; its
modules, patchers and tensors are only looked at (see backbones.twin). Our UNets are given to
the memory manager as models of their own: it makes room for them, streams them layer by layer
where room is short, and loads the user's model again when that samples next. Networks that are not
of the host's classes cannot be streamed: they get the room and, where it is too small, take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from backend import memory_management
from modules_forge import forge_version
from torch import Tensor, nn

from realishuman.backbones.loading import Place
from realishuman.backbones.moving import Home, Turns, size, visiting
from realishuman.diffusion.schedule import NO_SIGNAL, PREDICTIONS, NoiseTable
from realishuman.webui.host import forge_memory
from realishuman.webui.host.surroundings import Template, loaded_model, uncompiled

_FULL = (torch.float16, torch.bfloat16, torch.float32)


class Forge:
    """See surroundings.Surroundings."""

    @property
    def name(self) -> str:
        """As its users call it: both share all else, but for their version's name."""
        return "Forge Neo" if forge_version.version == "neo" else "Forge"

    def place(self) -> Place:
        """See Surroundings."""
        device = torch.device(memory_management.get_torch_device())
        return Place(device, forge_memory.computation_dtype(device))

    def autoencoder_dtype(self) -> torch.dtype:
        """See Surroundings."""
        single = memory_management.vae_dtype() is torch.float32
        return torch.float32 if single else self.place().dtype

    def template(self) -> Template:
        """See Surroundings."""
        # as loaded: what LoRA, ControlNet and others make of it are clones of this
        patcher = getattr(getattr(loaded_model(), "forge_objects_original", None), "unet", None)
        if patcher is None:
            return Template(None, "no model is loaded")
        if not getattr(loaded_model(), "is_sd1", False):
            return Template(None, "the loaded model is not Stable Diffusion 1.x")
        if (stored := patcher.model.storage_dtype) not in _FULL:
            return Template(None, f"the loaded model is stored as {stored}")
        return Template(patcher.model.diffusion_model)

    def lent(self) -> LentByForge:
        """See Surroundings."""
        return LentByForge()

    def computing(self) -> AbstractContextManager[object]:
        """See Surroundings."""
        return nullcontext()

    @contextmanager
    def resident(
        self, unets: Sequence[nn.Module], others: Sequence[nn.Module], activations: int
    ) -> Iterator[Turns | None]:
        """See Surroundings."""
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

    def undisturbed(self) -> AbstractContextManager[None]:
        """See Surroundings; nothing but memory is touched, and resident takes care of that."""
        return nullcontext()

    def empty_cache(self) -> None:
        """See Surroundings."""
        memory_management.soft_empty_cache()


class LentByForge:
    """See surroundings.Lent; the model's UNet with the user's LoRAs, without ControlNet's patches.

    Of whatever kind its weights are: its own layers, which share() takes over, know to read them.
    """

    def unet(self) -> Template:
        """See Lent."""
        patcher = self._patcher()
        if patcher is None:
            return Template(None, "no model is loaded: that happens with the first picture")
        unet = uncompiled(getattr(patcher.model, "diffusion_model", None))
        if not isinstance(unet, nn.Module) or not hasattr(unet, "input_blocks"):
            return Template(None, "the loaded model has no UNet of Stable Diffusion's")
        if patcher.model.predictor.prediction_type not in PREDICTIONS:
            return Template(None, "the loaded model neither predicts noise nor v")
        return Template(unet)

    def place(self) -> Place:
        """See Lent."""
        dtype = self._patcher().model.computation_dtype
        return Place(torch.device(memory_management.get_torch_device()), dtype)

    def noise(self) -> NoiseTable:
        """See Lent."""
        predictor = self._patcher().model.predictor
        table = tuple((1 / (predictor.sigmas.double() ** 2 + 1)).cpu().tolist())
        spacing = "trailing" if table[-1] < NO_SIGNAL else "leading"
        return NoiseTable(table, predictor.prediction_type, spacing)

    def bring(self, activations: int) -> None:
        """See Lent."""
        with torch.inference_mode(False), torch.no_grad():
            forge_memory.load([self._patcher()], activations, 0)

    def autoencode(self, call: Callable[[Tensor], Any], given: Tensor) -> Any:
        """See Lent."""
        return call(given)

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """See Lent: every run of the host begins with the model as loaded, and LoRAs."""
        model = loaded_model()
        objects = model.forge_objects
        try:
            yield
        finally:
            model.forge_objects = objects

    @staticmethod
    def _patcher() -> Any:
        objects = getattr(loaded_model(), "forge_objects_after_applying_lora", None)
        return getattr(objects, "unet", None)


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
