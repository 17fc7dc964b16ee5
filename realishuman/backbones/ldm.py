"""An ldm-shaped UNet of our own (see twin) that writes and reads reference features.

Its self-attentions (see attending) and its first convolution are wrapped once; the host's class
does the computing. The host's forward knows nothing of kept keys and values, so cross-attention
makes them at each call, for 257 tokens under 1 % of the operations.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.backbones.attending import Attending
from realishuman.backbones.loading import Place
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import Prompt, Reference

STAGES = ("input_blocks", "middle_block", "output_blocks")  # in running order


class LdmUnet:
    """An ldm-shaped UNet as networks.Unet. Wraps modules of `module`, which must be ours.

    place      where it computes, and the dtype of its weights; parts of the module may wait
               elsewhere when the host brings them in layer by layer.
    computing  entered around each forward: the host's autocast.
    Raises     BackboneError if the module has no transformer blocks.
    """

    def __init__(
        self,
        module: nn.Module,
        place: Place,
        computing: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._module = module
        self._place = place
        self._computing = computing
        self._attending = Attending(module, STAGES, "context")
        first: Any = module.get_submodule("input_blocks.0")
        first[0] = self._first = _FirstConvolution(first[0])

    @property
    def module(self) -> nn.Module:
        """The wrapped module, for moving it between devices."""
        return self._module

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        """Only cast: keys and values are made at each call."""
        return Condition(self._cast(tokens), None if pose is None else self._cast(pose), {})

    def prompted(self, prompt: Prompt) -> Condition:
        """The same for a checkpoint's words."""
        vector = None if prompt.vector is None else self._cast(prompt.vector)
        return Condition(self._cast(prompt.tokens), None, {}, vector)

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition: Condition,
        bank: FeatureBank | Reference | None,
    ) -> Tensor:
        """See networks.Unet and prompted.PromptedUnet.

        Raises BackboneError if the bank is of other blocks.
        """
        reference = Reference(bank) if isinstance(bank, FeatureBank) else bank

        def forward() -> Tensor:
            return self._forward(latents, timestep, condition)

        return self._attending.read(reference, forward).float()

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See networks.Unet; what follows the last block's norm1 is not computed."""
        bank = self._attending.write(lambda: self._forward(latents, timestep, condition))
        # under autocast norms return float32; attention casts it to the weights' dtype anyway
        dtype = self._place.dtype
        return FeatureBank({name: each.to(dtype) for name, each in bank.features.items()})

    def _forward(self, latents: Tensor, timestep: Tensor, condition: Condition) -> Tensor:
        times = timestep.to(self._place.device, torch.float32).expand(len(latents))
        self._first.pose = condition.pose
        vector = {} if condition.vector is None else {"y": condition.vector}
        try:
            with self._computing():
                # Forge writes into these options and shares its default between calls
                result: Tensor = self._module(
                    self._cast(latents),
                    times,
                    context=condition.tokens,
                    transformer_options={},
                    **vector,
                )
        finally:
            self._first.pose = None
        return result

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._place.device, self._place.dtype)


class _FirstConvolution(nn.Module):
    """conv_in, to whose output the pose is added."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.pose: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels, h, w)."""
        result: Tensor = self.inner(x)
        return result if self.pose is None else result + self.pose
