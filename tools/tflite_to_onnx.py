"""Rewrites a tflite graph of MediaPipe's kind as ONNX, operator by operator.

Knows only the operators of the palm, hand and face networks. Pictures go from N x H x W x C to
N x C x H x W and the batch becomes dynamic; tensors of other ranks keep their layout. Weights are
stored as float16 when that loses nothing (they are float16 in the tflite file) and cast to float32
in the graph; a runtime folds that cast when it loads the file. Weights that tflite stores sparse
are stored dense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tflite_sparse import densify

Array = NDArray[Any]
OPSET, IR_VERSION = 17, 8
DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
OPERATORS = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if name.isupper()
}
ACTIVATIONS = {0: "", 1: "Relu", 3: "Clip"}  # NONE, RELU, RELU6
NHWC_TO_NCHW, NCHW_TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def convert(
    raw: bytes,
    outputs: Sequence[str],
    metadata: dict[str, str],
    inner: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """Return the ONNX form of a tflite file.

    raw       the file.
    outputs   names for its outputs, in its own order; 4-D outputs are flattened to N x C.
    metadata  goes into metadata_props.
    inner     further outputs by name: numbers of 4-D tensors inside, given as N x C x H x W.
    Raises ValueError on an operator, dtype or layout this converter does not know.
    """
    return _Converter(raw).run(outputs, metadata, inner or {})


class _Converter:
    """One run over one file: collects nodes and initialisers."""

    def __init__(self, raw: bytes) -> None:
        self.model = tflite.Model.GetRootAs(raw, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.constants: dict[int, Array] = {}
        self.names: dict[int, str] = {}

    def run(
        self, outputs: Sequence[str], metadata: dict[str, str], inner: Mapping[str, int]
    ) -> onnx.ModelProto:
        (source,) = self.graph.InputsAsNumpy()
        self.names[source] = "image"
        for index in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(index)
            self._operator(self._kind(operator), operator)
        ends = []
        for tensor, name in zip(self.graph.OutputsAsNumpy(), outputs, strict=True):
            ends.append(self._output(int(tensor), name))
        for name, tensor in inner.items():
            _, h, w, c = self._shape(tensor)
            self._node("Identity", [self.names[tensor]], name)
            ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", c, h, w]))
        _, h, w, c = self._shape(source)
        start = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", c, h, w])
        graph = helper.make_graph(
            self.nodes, "main", [start], ends, initializer=list(self.weights.values())
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    # --- reading tflite

    def _kind(self, operator: Any) -> str:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        return OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self.graph.Tensors(tensor).ShapeAsNumpy())

    def _constant(self, tensor: int) -> Array | None:
        """Return the values of a tensor that does not depend on the input."""
        if tensor in self.constants:
            return self.constants[tensor]
        spec = self.graph.Tensors(tensor)
        buffer = self.model.Buffers(spec.Buffer())
        if not buffer.DataLength():
            return None
        values = buffer.DataAsNumpy().view(DTYPES[spec.Type()])
        if spec.Sparsity() is not None:
            values = densify(values, spec.Sparsity(), self._shape(tensor))
        return values.reshape(self._shape(tensor))

    # --- writing ONNX

    def _weight(self, name: str, values: Array) -> str:
        """Store a constant and return the name of its float32 (or int64) value."""
        if values.dtype == np.int64:
            self.weights[name] = numpy_helper.from_array(values, name)
            return name
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values.astype(np.float32)):
            self.weights[name] = numpy_helper.from_array(values.astype(np.float32), name)
        elif f"{name}_f16" not in self.weights:
            self.weights[f"{name}_f16"] = numpy_helper.from_array(half, f"{name}_f16")
            self.nodes.append(
                helper.make_node("Cast", [f"{name}_f16"], [name], to=TensorProto.FLOAT)
            )
        return name

    def _node(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def _activated(self, name: str, activation: int, tensor: int) -> None:
        """Add the fused activation and make its result the value of `tensor`."""
        if activation not in ACTIVATIONS:
            raise ValueError(f"fused activation {activation} is not known")
        op = ACTIVATIONS[activation]
        inputs = [name]
        if op == "Clip":
            inputs += [self._weight("zero", np.float32(0)), self._weight("six", np.float32(6))]
        self.names[tensor] = self._node(op, inputs, f"{name}_act") if op else name

    def _output(self, tensor: int, name: str) -> onnx.ValueInfoProto:
        shape = self._shape(tensor)
        if len(shape) == 4:
            self._node("Flatten", [self.names[tensor]], name, axis=1)
            shape = (1, int(np.prod(shape)))
        else:
            self._node("Identity", [self.names[tensor]], name)
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape[1:]])

    def _operator(self, kind: str, operator: Any) -> None:
        inputs = [int(i) for i in operator.InputsAsNumpy()]
        (output,) = (int(i) for i in operator.OutputsAsNumpy())
        if kind in ("DEQUANTIZE", "DENSIFY"):  # a constant: densified on reading, cast on writing
            values = self._constant(inputs[0])
            if values is None:
                raise ValueError(f"{kind} of something that is not a constant")
            self.constants[output] = values
            return
        rule: Callable[..., None] | None = getattr(self, f"_{kind.lower()}", None)
        if rule is None:
            raise ValueError(f"operator {kind} is not known to this converter")
        rule(inputs, output, operator.BuiltinOptions())

    @staticmethod
    def _options(kind: type, table: Any) -> Any:
        options = kind()
        options.Init(table.Bytes, table.Pos)
        return options

    @staticmethod
    def _same(size: int, out: int, kernel: int, stride: int, padding: int) -> tuple[int, int]:
        """Return the pixels to add before and after one axis; tflite adds the odd one after."""
        total = 0
        if padding == tflite.Padding.SAME:
            total = max((out - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2

    def _window(self, options: Any, source: int, output: int, kernel: Sequence[int]) -> dict:
        """Return the attributes that convolution and pooling share."""
        strides = [options.StrideH(), options.StrideW()]
        ends = [
            self._same(self._shape(source)[1 + i], self._shape(output)[1 + i], *pair)
            for i, pair in enumerate((kernel[i], strides[i], options.Padding()) for i in range(2))
        ]
        pads = [ends[0][0], ends[1][0], ends[0][1], ends[1][1]]
        return {"kernel_shape": list(kernel), "strides": strides, "pads": pads}

    def _convolve(
        self, inputs: list[int], output: int, options: Any, weight: Array, group: int
    ) -> None:
        source, bias = inputs[0], self._constant(inputs[2])
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise ValueError("dilated convolution is not known to this converter")
        window = self._window(options, source, output, weight.shape[2:])
        names = [
            self.names[source],
            self._weight(f"w{output}", weight),
            self._weight(f"b{output}", bias),
        ]
        name = self._node("Conv", names, f"t{output}", group=group, **window)
        self._activated(name, options.FusedActivationFunction(), output)

    # --- one rule per operator

    def _conv_2d(self, inputs: list[int], output: int, table: Any) -> None:
        weight = self._constant(inputs[1]).transpose(NHWC_TO_NCHW)
        self._convolve(inputs, output, self._options(tflite.Conv2DOptions, table), weight, 1)

    def _depthwise_conv_2d(self, inputs: list[int], output: int, table: Any) -> None:
        weight = self._constant(inputs[1]).transpose(3, 0, 1, 2)
        options = self._options(tflite.DepthwiseConv2DOptions, table)
        self._convolve(inputs, output, options, weight, self._shape(inputs[0])[3])

    def _max_pool_2d(self, inputs: list[int], output: int, table: Any) -> None:
        options = self._options(tflite.Pool2DOptions, table)
        kernel = (options.FilterHeight(), options.FilterWidth())
        window = self._window(options, inputs[0], output, kernel)
        name = self._node("MaxPool", [self.names[inputs[0]]], f"t{output}", **window)
        self._activated(name, options.FusedActivationFunction(), output)

    def _prelu(self, inputs: list[int], output: int, table: Any) -> None:
        slope = self._weight(f"w{output}", self._constant(inputs[1]).transpose(2, 0, 1))
        self.names[output] = self._node("PRelu", [self.names[inputs[0]], slope], f"t{output}")

    def _add(self, inputs: list[int], output: int, table: Any) -> None:
        name = self._node("Add", [self.names[i] for i in inputs], f"t{output}")
        options = self._options(tflite.AddOptions, table)
        self._activated(name, options.FusedActivationFunction(), output)

    def _pad(self, inputs: list[int], output: int, table: Any) -> None:
        pads = self._constant(inputs[1])[list(NHWC_TO_NCHW)].T.reshape(-1).astype(np.int64)
        names = [self.names[inputs[0]], self._weight(f"w{output}", pads)]
        self.names[output] = self._node("Pad", names, f"t{output}")

    def _resize_bilinear(self, inputs: list[int], output: int, table: Any) -> None:
        options = self._options(tflite.ResizeBilinearOptions, table)
        mode = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        mode = "align_corners" if options.AlignCorners() else mode
        before, after = self._shape(inputs[0]), self._shape(output)
        scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
        names = [self.names[inputs[0]], "", self._weight(f"w{output}", scales)]
        attributes = {"mode": "linear", "coordinate_transformation_mode": mode}
        self.names[output] = self._node("Resize", names, f"t{output}", **attributes)

    def _reshape(self, inputs: list[int], output: int, table: Any) -> None:
        name = self.names[inputs[0]]
        if len(self._shape(inputs[0])) == 4:
            name = self._node("Transpose", [name], f"t{output}_nhwc", perm=NCHW_TO_NHWC)
        shape = np.array([0, *self._shape(output)[1:]], np.int64)  # 0 keeps the batch
        names = [name, self._weight(f"w{output}", shape)]
        self.names[output] = self._node("Reshape", names, f"t{output}")

    def _concatenation(self, inputs: list[int], output: int, table: Any) -> None:
        options = self._options(tflite.ConcatenationOptions, table)
        if len(self._shape(output)) == 4:
            raise ValueError("concatenation of pictures is not known to this converter")
        names = [self.names[i] for i in inputs]
        self.names[output] = self._node("Concat", names, f"t{output}", axis=options.Axis())

    def _depth_to_space(self, inputs: list[int], output: int, table: Any) -> None:
        size = self._options(tflite.DepthToSpaceOptions, table).BlockSize()
        name = self.names[inputs[0]]
        self.names[output] = self._node(
            "DepthToSpace", [name], f"t{output}", blocksize=size, mode="DCR"
        )

    def _mean(self, inputs: list[int], output: int, table: Any) -> None:
        if sorted(self._constant(inputs[1]).tolist()) != [1, 2]:
            raise ValueError("only the mean over height and width is known to this converter")
        mean = self._node("GlobalAveragePool", [self.names[inputs[0]]], f"t{output}_mean")
        self.names[output] = self._node("Flatten", [mean], f"t{output}", axis=1)

    def _fully_connected(self, inputs: list[int], output: int, table: Any) -> None:
        options = self._options(tflite.FullyConnectedOptions, table)
        names = [
            self.names[inputs[0]],
            self._weight(f"w{output}", self._constant(inputs[1])),
            self._weight(f"b{output}", self._constant(inputs[2])),
        ]
        name = self._node("Gemm", names, f"t{output}", transB=1)
        self._activated(name, options.FusedActivationFunction(), output)

    def _logistic(self, inputs: list[int], output: int, table: Any) -> None:
        self.names[output] = self._node("Sigmoid", [self.names[inputs[0]]], f"t{output}")
