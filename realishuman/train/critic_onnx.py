"""Writes the trained critic as ONNX, layer by layer: opset 17, which onnxruntime 1.17 reads.

Normalisation is folded into the convolutions, weights are stored as float16 and cast when opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from realishuman.advice import extra
from realishuman.errors import SettingsError
from realishuman.onnx_files.writer import IR_VERSION, OPSET
from realishuman.train.critic import CHANNELS, Block, CriticNet, Level

# probabilities (N, 1) and (N, 3), and the (N, F) numbers that both are computed from
OUTPUTS = ("malformed", "fingers", "features")


def critic_onnx(
    net: CriticNet, side: int, outputs: Sequence[str], note: Mapping[str, str]
) -> bytes:
    """The network as an ONNX file: input `crop` (N, 7, side, side), some of OUTPUTS.

    note    goes into the file's metadata.
    Raises  SettingsError if the package onnx is missing.
    """
    return _Writer().write(net, side, outputs, note)


class _Writer:
    """Gathers nodes and weights."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise SettingsError(
                f"onnx is not installed, and writing the trained judge needs it: `{extra('train')}`"
            ) from error
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def write(
        self, net: CriticNet, side: int, outputs: Sequence[str], note: Mapping[str, str]
    ) -> bytes:
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        levels: list[Level] = list(net.levels)  # type: ignore[arg-type]  # a ModuleList of them
        x = "crop"
        for level in levels[:-1]:
            x = self._level(x, level)
        places = self._conv(x, net.place)
        x = self._level(x, levels[-1])
        pooled = [
            self._add("GlobalAveragePool", x),
            self._add("GlobalMaxPool", x),
            self._add("GlobalMaxPool", places),
        ]
        self._add("Flatten", self._add("Concat", *pooled, axis=1), output="features", axis=1)
        widths = {"features": net.verdict.in_features}
        heads = {
            "malformed": (net.verdict, "Sigmoid", {}),
            "fingers": (net.count, "Softmax", {"axis": 1}),
        }
        for name, (layer, function, options) in heads.items():
            if name in outputs:
                logits = self._add("Gemm", "features", *self._parameters(layer), transB=1)
                self._add(function, logits, output=name, **options)
                widths[name] = layer.out_features
        graph = helper.make_graph(
            self._nodes,
            "critic",
            [helper.make_tensor_value_info("crop", kind, ["n", CHANNELS, side, side])],
            [helper.make_tensor_value_info(name, kind, ["n", widths[name]]) for name in outputs],
            self._weights,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="realishuman train",
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, dict(note))
        self._onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content

    def _level(self, x: str, level: Level) -> str:
        x = self._add("Relu", self._conv(x, level.down, level.norm))
        blocks: list[Block] = list(level.blocks)  # type: ignore[arg-type]  # a Sequential of them
        for block in blocks:
            inner = self._add("Relu", self._conv(x, block.first, block.first_norm))
            inner = self._conv(inner, block.second, block.second_norm)
            x = self._add("Relu", self._add("Add", x, inner))
        return x

    def _conv(self, x: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> str:
        pad, stride = int(conv.padding[0]), int(conv.stride[0])
        weight, bias = folded(conv, norm)
        values = (self._constant(weight), self._constant(bias))
        return self._add("Conv", x, *values, pads=[pad] * 4, strides=[stride] * 2)

    def _parameters(self, layer: nn.Linear) -> tuple[str, str]:
        return self._constant(layer.weight), self._constant(layer.bias)

    def _constant(self, tensor: Tensor) -> str:
        """Store a weight as float16; returns the name of its cast to float32."""
        name = f"w{len(self._weights)}"
        array: NDArray[np.float16] = tensor.detach().cpu().numpy().astype(np.float16)
        self._weights.append(self._onnx.numpy_helper.from_array(array, name))
        return self._add("Cast", name, to=self._onnx.TensorProto.FLOAT)

    def _add(self, operator: str, *inputs: str, output: str = "", **options: Any) -> str:
        name = output or f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], **options))
        return name


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the (evaluating) normalisation after it."""
    weight = conv.weight.detach()
    bias = torch.zeros(len(weight)) if conv.bias is None else conv.bias.detach()
    if norm is None or norm.running_var is None or norm.running_mean is None:
        return weight, bias
    gain = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return weight * gain[:, None, None, None], norm.bias.detach() + (
        bias - norm.running_mean
    ) * gain
