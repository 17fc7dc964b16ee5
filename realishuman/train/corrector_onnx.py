"""Writes the trained landmark corrector as one ONNX file, weights as float16 cast when opened."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from realishuman.advice import extra
from realishuman.errors import SettingsError
from realishuman.mesh.hand_corrector import JOINTS, SIDE
from realishuman.onnx_files.writer import IR_VERSION, traced
from realishuman.train.corrector_net import CorrectorNet


def corrector_onnx(net: CorrectorNet, note: Mapping[str, str]) -> bytes:
    """The network as an ONNX file with the inputs and the output of mesh.hand_corrector.CORRECTOR.

    net     evaluating, float32, on the CPU.
    note    goes into the file's metadata.
    Raises  SettingsError if the package onnx is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise SettingsError(
            f"onnx is not installed, and writing the trained corrector needs it: `{extra('train')}`"
        ) from error
    example = {"crop": torch.zeros(2, 3, SIDE, SIDE), "found": torch.zeros(2, JOINTS, 3)}
    model = onnx.load_from_string(traced(net, example, ["joints"]))
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
