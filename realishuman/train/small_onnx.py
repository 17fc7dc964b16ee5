"""Writes a small trained network as one ONNX file, weights as float16 that are cast when opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from realishuman.advice import extra
from realishuman.errors import SettingsError
from realishuman.onnx_files.writer import IR_VERSION, trace


def small_onnx(
    net: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], note: Mapping[str, str]
) -> bytes:
    """The network as an ONNX file of opset 17, which onnxruntime 1.17 reads.

    net      evaluating, float32, on the CPU.
    example  its inputs by name; the first axis may have any length.
    outputs  names of what it returns.
    note     goes into the file's metadata.
    Raises   SettingsError if the package onnx is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise SettingsError(
            f"onnx is not installed, and writing a trained network needs it: `{extra('train')}`"
        ) from error
    model = onnx.load_from_string(trace(net, example, outputs))
    graph, weights = model.graph, dict(net.named_parameters()) | dict(net.named_buffers())
    for given in [one for one in graph.input if one.name not in example]:
        graph.input.remove(given)
        stored = f"{given.name}.half"
        values = weights[given.name].detach().numpy().astype("float16")
        graph.initializer.append(onnx.numpy_helper.from_array(values, stored))
        kind = onnx.TensorProto.FLOAT
        graph.node.insert(0, onnx.helper.make_node("Cast", [stored], [given.name], to=kind))
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, dict(note))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content
