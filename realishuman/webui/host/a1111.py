"""AUTOMATIC1111's WebUI (1.10) around us.

A loaded Stable Diffusion 1.x model lends us its classes, and with them the attention that
sd_hijack put in place; its modules and tensors are only looked at (see backbones.twin). So there
is nothing of LoRA, ControlNet, hypertile, token merging or tiling to switch off and on again.

What is changed for a run, and put back: the list of hypernetworks, which attention reads from a
global; and where memory is short, the device of the host's model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from modules import devices, lowvram, sd_unet, shared
from modules.sd_hijack import model_hijack
from torch import Tensor, nn

from realishuman.backbones.loading import Place
from realishuman.backbones.moving import Turns, size, visiting
from realishuman.diffusion.schedule import NO_SIGNAL, NoiseTable
from realishuman.webui.host.surroundings import Template, loaded_model, uncompiled


class A1111:
    """See surroundings.Surroundings."""

    name = "AUTOMATIC1111"

    def place(self) -> Place:
        """See Surroundings."""
        # before a model is loaded, and with fp8, dtype_unet is not what networks compute in
        own = loaded_model() is None or devices.fp8
        return Place(torch.device(devices.device), devices.dtype if own else devices.dtype_unet)

    def autoencoder_dtype(self) -> torch.dtype:
        """See Surroundings."""
        dtype: torch.dtype = devices.dtype_vae
        return dtype

    def template(self) -> Template:
        """See Surroundings."""
        model = loaded_model()
        if model is None:
            return Template(None, "no model is loaded")
        if not getattr(model, "is_sd1", False):
            return Template(None, "the loaded model is not Stable Diffusion 1.x")
        if sd_unet.current_unet is not None:
            return Template(None, "another UNet (such as TensorRT's) stands in for the model's")
        if devices.fp8:
            return Template(None, "the loaded model is stored as fp8")
        unet = getattr(getattr(model, "model", None), "diffusion_model", None)
        if not isinstance(unet, nn.Module):
            return Template(None, "the loaded model has no UNet of torch modules")
        return Template(unet)

    def lent(self) -> LentByA1111:
        """See Surroundings."""
        return LentByA1111()

    def computing(self) -> AbstractContextManager[object]:
        """See Surroundings."""
        context: AbstractContextManager[object] = devices.autocast()
        return context

    @contextmanager
    def resident(
        self, unets: Sequence[nn.Module], others: Sequence[nn.Module], activations: int
    ) -> Iterator[Turns | None]:
        """See Surroundings."""
        ours = [*unets, *others]
        device = self.place().device
        with ExitStack() as stack:
            stack.callback(devices.torch_gc)
            if device.type == "cpu":
                yield None
                return
            needed = size(ours) + activations
            if _is_split() or _free(device) < needed:
                stack.enter_context(_model_away())
            if _free(device) < needed:
                yield stack.enter_context(Turns(device))
            else:
                stack.enter_context(visiting(ours, device))
                yield None

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Without the hypernetworks that the user's prompt named, which attention asks for.

        Their list is emptied in place, because the host's modules may hold it under other names.
        """
        loaded = list(shared.loaded_hypernetworks)
        shared.loaded_hypernetworks.clear()
        try:
            yield
        finally:
            shared.loaded_hypernetworks[:] = loaded

    def empty_cache(self) -> None:
        """See Surroundings."""
        devices.torch_gc()


class LentByA1111:
    """See surroundings.Lent."""

    def unet(self) -> Template:
        """See Lent."""
        model = loaded_model()
        if model is None:
            return Template(None, "no model is loaded")
        if sd_unet.current_unet is not None:
            return Template(None, "another UNet (such as TensorRT's) stands in for the model's")
        if devices.fp8:
            return Template(None, "the loaded model is stored as fp8")
        if _is_split() and not _hooks(model.model):
            return Template(None, "--lowvram keeps the loaded model in pieces; --medvram does not")
        unet = uncompiled(getattr(getattr(model, "model", None), "diffusion_model", None))
        if not isinstance(unet, nn.Module) or not hasattr(unet, "input_blocks"):
            return Template(None, "the loaded model has no UNet of Stable Diffusion's")
        return Template(unet)

    def place(self) -> Place:
        """See Lent."""
        return Place(torch.device(devices.device), devices.dtype_unet)

    def noise(self) -> NoiseTable:
        """See Lent."""
        model = loaded_model()
        table = tuple(model.alphas_cumprod.double().cpu().tolist())
        prediction = "v_prediction" if model.parameterization == "v" else "epsilon"
        return NoiseTable(table, prediction, "trailing" if table[-1] < NO_SIGNAL else "leading")

    def bring(self, activations: int) -> None:
        """See Lent; with --medvram the model's networks take turns, and a hook calls the next."""
        if _is_split():
            model = loaded_model().model
            for hook in _hooks(model):
                hook(model, None)

    def autoencode(self, call: Callable[[Tensor], Any], given: Tensor) -> Any:
        """See Lent."""
        with devices.without_autocast():
            return call(given.to(devices.device, devices.dtype_vae))

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """See Lent: forwards that ControlNet and others have put on modules, circular padding."""
        forwards = [
            (vars(each), name, vars(each).pop(name))
            for each in loaded_model().model.modules()
            for name in ("forward", "_forward")
            if name in vars(each)
        ]
        circular = model_hijack.circular_enabled
        try:
            yield
        finally:
            for attributes, name, forward in forwards:
                attributes[name] = forward
            model_hijack.apply_circular(circular)


def _hooks(module: nn.Module) -> list[Callable[..., object]]:
    return list(getattr(module, "_forward_pre_hooks", {}).values())


def _is_split() -> bool:
    """Whether the host itself lets its networks take turns (--medvram, --lowvram)."""
    return bool(getattr(loaded_model(), "lowvram", False))


def _free(device: torch.device) -> float:
    """Bytes of the device that a new tensor can have; plenty where the driver does not say."""
    if device.type != "cuda":
        return 0.0 if _is_split() else float("inf")
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + reserved)


@contextmanager
def _model_away() -> Iterator[None]:
    """The host's model on the CPU, and each of its networks back where it was."""
    model = loaded_model()
    if _is_split():  # they come back by themselves, one by one
        lowvram.send_everything_to_cpu()
        devices.torch_gc()
        yield
        return
    networks = [] if model is None else list(model.children())
    devices_before = [next((p.device for p in each.parameters()), None) for each in networks]
    away = [(each, at) for each, at in zip(networks, devices_before, strict=True) if at is not None]
    try:
        for network, _ in away:
            network.to(devices.cpu)
        devices.torch_gc()
        yield
    finally:
        for network, at in away:
            network.to(at)
