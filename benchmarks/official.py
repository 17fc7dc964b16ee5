"""Stage one in the manner of the released inference code, to be compared with ours.

Per step three separate forwards: reference, conditional, unconditional. Pose guider and projector
run in each, features are cloned when written and when read, keys and values are projected from the
joined tokens, and the reference UNet runs to its end. The UNets are diffusers', as they are there;
all else is written from a description of what is computed. Weights, inputs and result are those of
realishuman.diffusion.stage_one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from realishuman.backbones.loading import Place, load, load_conditioners
from realishuman.diffusion import ddim
from realishuman.diffusion.schedule import Schedule
from realishuman.packs.header import UnetShape
from realishuman.packs.pack import Pack


@dataclass(frozen=True)
class Inputs:
    """Of P parts: reference latents, pose images, image tokens as the projector takes them."""

    reference: Tensor
    pose: Tensor
    tokens: Tensor


class OfficialStageOne:
    """The networks of a pack, run as the released code runs them."""

    def __init__(self, pack: Pack, device: str) -> None:
        place = Place(torch.device(device), torch.float32)
        shape = pack.header.unet
        self.main = load(library_unet(shape, 4), pack, "stage_one.unet.", place)
        self.reference = load(library_unet(shape, 4), pack, "stage_one.reference.", place)
        self._small = load_conditioners(pack, place)
        self._schedule = pack.header.schedule
        side = pack.header.image_encoder.side
        nothing = torch.zeros(1, 3, side, side, device=device)
        self.no_tokens: Tensor = self._small.image_encoder.tokens(nothing)

    @torch.no_grad()
    def sample(self, inputs: Inputs, steps: int, guidance: float, initial: Tensor) -> Tensor:
        """Denoise `initial` (P, 4, h, w); returns latents."""
        schedule = Schedule.of(self._schedule, steps)
        no_tokens = self.no_tokens.expand(len(initial), -1, -1)
        latents = initial
        for index, number in enumerate(schedule.timesteps):
            timestep = torch.tensor(number, device=initial.device)
            bank: dict[str, Tensor] = {}
            with writing(self.reference, bank):
                self._forward(self.reference, inputs.reference, timestep, inputs.tokens, inputs)
            with reading(self.main, bank):
                conditional = self._forward(self.main, latents, timestep, inputs.tokens, inputs)
            unconditional = self._forward(self.main, latents, timestep, no_tokens, inputs)
            prediction = unconditional + guidance * (conditional - unconditional)
            latents = ddim.step(schedule, index, latents, prediction.float())
        return latents

    def _forward(
        self, unet: nn.Module, latents: Tensor, timestep: Tensor, tokens: Tensor, inputs: Inputs
    ) -> Tensor:
        pose = self._small.pose_guider(inputs.pose)
        context = self._small.projector(tokens)
        handle = unet.get_submodule("conv_in").register_forward_hook(lambda *call: call[2] + pose)
        try:
            result: Tensor = unet(latents, timestep, context, return_dict=False)[0]
        finally:
            handle.remove()
        return result


def library_unet(shape: UnetShape, in_channels: int, out_channels: int = 4) -> UNet2DConditionModel:
    """The library's UNet of these sizes, without weights, on the meta device."""
    down = ["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in shape.attention]
    up = ["CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(shape.attention)]
    with torch.device("meta"):
        return UNet2DConditionModel(
            in_channels=in_channels,
            out_channels=out_channels,
            down_block_types=tuple(down),
            up_block_types=tuple(up),
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            cross_attention_dim=shape.context,
            attention_head_dim=shape.heads,  # the library's name for the number of heads
            norm_num_groups=shape.groups,
        )


def _self_attentions(unet: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((name, each) for name, each in unet.named_modules() if name.endswith(".attn1"))


@contextmanager
def writing(unet: nn.Module, bank: dict[str, Tensor]) -> Iterator[None]:
    """While open, the library's UNet writes what each self-attention sees, by its name."""
    with ExitStack() as undo:
        for name, block in _self_attentions(unet):

            def write(_block: nn.Module, args: tuple[Any, ...], name: str = name) -> None:
                bank[name] = args[0].clone()

            undo.callback(block.register_forward_pre_hook(write).remove)
        yield


@contextmanager
def reading(unet: nn.Module, bank: dict[str, Tensor]) -> Iterator[None]:
    """While open, each self-attention of the library's UNet attends to the bank as well."""
    with ExitStack() as undo:
        for name, block in _self_attentions(unet):

            def read(
                _block: nn.Module,
                args: tuple[Any, ...],
                kwargs: dict[str, Any],
                features: Tensor = bank[name],
            ) -> tuple[tuple[Any, ...], dict[str, Any]]:
                joined = torch.cat([args[0], features.clone()], dim=1)
                return args, {**kwargs, "encoder_hidden_states": joined}

            undo.callback(block.register_forward_pre_hook(read, with_kwargs=True).remove)
        yield
