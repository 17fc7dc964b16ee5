"""A ControlNet beside an ldm-shaped UNet, built of that UNet's own classes.

A ControlNet is the first half of its checkpoint's UNet with other weights, told a picture after its
first convolution. So a host's classes compute it, with the attention that the host chose. What it
says is added to the skip connections of a UNet of the same classes.
Source: lllyasviel/ControlNet, cldm/cldm.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.loading import Place
from realishuman.backbones.twin import CONV_IN, twin
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import Prompt, Reference
from realishuman.packs.shapes import differences

Computing = Callable[[], AbstractContextManager[Any]]
_LATENT = 4  # channels that a ControlNet is given, also beside an inpainting UNet
_SECOND_HALF = ("output_blocks", "out")
_HINT, _ZERO, _MIDDLE = "input_hint_block.", "zero_convs.", "middle_block_out.0."
_OWN = (_HINT, _ZERO, _MIDDLE)


class LdmControl(nn.Module):
    """The ControlNet of these weights (ldm's names) for the UNet `host`; computes nothing alone.

    weights     in the dtype that it computes in; they are not copied.
    first_half  the UNet's first half with the ControlNet's weights; its second half is empty.
    Raises      ValueError, which says what does not fit, if the weights are of another shape.
    """

    def __init__(self, host: nn.Module, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        own = {name: one for name, one in weights.items() if name.startswith(_OWN)}
        first = {name: one for name, one in weights.items() if name not in own}
        if wrong := differences({name: tuple(x.shape) for name, x in first.items()}, _half(host)):
            raise ValueError(wrong)
        self.first_half = twin(host, first, without=_SECOND_HALF)
        skips = len(_children(self.first_half, "input_blocks"))
        try:
            self.hint = _build_hint(own)
            self.zeros = nn.ModuleList(_convolution(own, f"{_ZERO}{at}.0.") for at in range(skips))
            self.zeros.append(_convolution(own, _MIDDLE))
        except KeyError as error:
            raise ValueError(f"no {error.args[0]}") from error
        self.requires_grad_(False).eval()


class SteeredUnet:
    """A UNet that a ControlNet steers, as prompted.PromptedUnet.

    unet       of a module that must be ours: hooks are put on its second half.
    control    where its weights compute, in their dtype.
    weight     what the ControlNet adds is multiplied by.
    place, computing  as of LdmUnet.
    """

    def __init__(
        self,
        unet: LdmUnet,
        control: LdmControl,
        weight: float,
        place: Place,
        computing: Computing = nullcontext,
    ) -> None:
        self._unet, self._control, self._weight = unet, control, weight
        self._place, self._computing = place, computing
        self._half = LdmUnet(control.first_half, place, computing)
        self._added: list[Tensor] = []
        middle = control.first_half.get_submodule("middle_block")
        first = [*_children(control.first_half, "input_blocks"), middle]
        for block, zero in zip(first, control.zeros, strict=True):
            block.register_forward_hook(self._remember(zero))
        for block in _children(unet.module, "output_blocks"):
            block.register_forward_pre_hook(self._add)

    def prompted(self, prompt: Prompt) -> Condition:
        """As LdmUnet.prompted; the pose is what the ControlNet sees of the prompt's depth."""
        if prompt.depth is None:
            return self._unet.prompted(prompt)
        with self._computing():
            hint = self._control.hint(prompt.depth.to(self._place.device, self._place.dtype))
        return replace(self._unet.prompted(prompt), pose=hint)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, reference: Reference | None
    ) -> Tensor:
        """See PromptedUnet. Raises BackboneError if the reference is of other blocks."""
        self._added = []
        try:
            if condition.pose is not None:
                with suppress(_Done):
                    self._half.predict(latents[:, :_LATENT], timestep, condition, None)
            plain = replace(condition, pose=None)
            return self._unet.predict(latents, timestep, plain, reference)
        finally:
            self._added = []

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See PromptedUnet."""
        return self._unet.features(latents, timestep, replace(condition, pose=None))

    def _remember(self, zero: nn.Module) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_module: nn.Module, _given: object, made: Tensor) -> None:
            self._added.append(zero(made) * self._weight)
            if zero is self._control.zeros[-1]:
                raise _Done

        return hook

    def _add(self, _block: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """Change what a block is given: features (B, C, h, w), the last ones those of a skip."""
        if not self._added:
            return given
        features, *rest = given
        if len(self._added) == len(self._control.zeros):  # before the first block
            features = _add_at(features, 0, self._added.pop())
        skip = self._added.pop()
        return _add_at(features, features.shape[1] - skip.shape[1], skip), *rest


def _add_at(features: Tensor, first: int, added: Tensor) -> Tensor:
    """Add to the channels from `first` on; a new tensor."""
    after = features.shape[1] - first - added.shape[1]
    return features + F.pad(added.to(features.dtype), (0, 0, 0, 0, first, after))


class _Done(Exception):  # noqa: N818 - no error: the first half ends here
    """The middle block has run."""


def _children(module: nn.Module, name: str) -> list[nn.Module]:
    return list(module.get_submodule(name).children())


def _half(host: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of a UNet's first half; it is given latents alone."""
    kept = {
        name: tuple(one.shape)
        for name, one in host.named_parameters()
        if not name.startswith(_SECOND_HALF)
    }
    width, _, *side = kept[CONV_IN]
    return {**kept, CONV_IN: (width, _LATENT, *side)}


def _build_hint(weights: Mapping[str, Tensor]) -> nn.Sequential:
    """Convolutions from a picture to latents' size and width, SiLU between them."""
    numbers = {int(name.split(".")[1]) for name in weights if name.startswith(_HINT)}
    layers: list[nn.Module] = []
    for number in sorted(numbers):
        halves = number > 0 and number % 4 == 0
        layers += [_convolution(weights, f"{_HINT}{number}.", 2 if halves else 1), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _convolution(weights: Mapping[str, Tensor], prefix: str, stride: int = 1) -> nn.Conv2d:
    weight, bias = weights[f"{prefix}weight"], weights[f"{prefix}bias"]
    outputs, inputs, side, _ = weight.shape
    made = nn.Conv2d(inputs, outputs, side, stride, side // 2)
    made.load_state_dict({"weight": weight, "bias": bias})
    return made.to(weight.dtype)
