"""Writes a torch network as an ONNX file that onnxruntime 1.17 reads."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.errors import ModelError
from realishuman.files import whole_file

OPSET = 17


def export_onnx(
    network: nn.Module, inputs: Mapping[str, Tensor], output: str, path: Path, note: str
) -> None:
    """Trace a network and write it, whole or not at all.

    inputs  an example of each by name; its first axis becomes one of any size.
    output  name of the only output, whose first axis is that axis too.
    note    goes into the file's metadata: what was exported from what.
    Raises  ModelError if the package onnx is missing; OSError as files.whole_file does.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelError(
            "onnx is not installed, and exporting networks needs it: "
            'pip install "sd-webui-realishuman[official]"'
        ) from error
    traced = io.BytesIO()
    names = [*inputs, output]
    options: dict[str, Any] = (
        {"dynamo": False} if "dynamo" in _options() else {}
    )  # before torch 2.5 there is none
    with warnings.catch_warnings():
        # The exporter that needs no further package calls itself the old one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(inputs.values()),
            traced,  # type: ignore[arg-type]  # the older exporter takes it
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: {0: "parts"} for name in names},
            opset_version=OPSET,
            **options,
        )
    model = onnx.load_from_string(traced.getvalue())
    onnx.helper.set_model_props(model, {"note": note})
    with whole_file(path) as file:
        file.write(model.SerializeToString())


def _options() -> set[str]:
    return set(torch.onnx.export.__code__.co_varnames)
