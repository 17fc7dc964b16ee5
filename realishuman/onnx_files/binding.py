"""Runs an ONNX network on torch tensors where they lie, so that nothing travels.

onnxruntime is given the addresses of the inputs and of outputs that torch allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from realishuman.onnx_files.network import FLOATS, Contents


def run_bound(
    session: Any, contents: Contents, inputs: Mapping[str, Tensor], device: torch.device
) -> dict[str, Tensor]:
    """Run `session` on `device`, which must be its own, and return every output by name.

    inputs   by name, any device; floats are converted to the type that the file takes.
    Returns  tensors on `device`, of the file's types. An output whose size the file does not say
             in terms of the inputs' passes through the CPU.
    """
    given = {
        name: value.detach().to(device, _type(contents, name, value)).contiguous()
        for name, value in inputs.items()
    }
    index = device.index or 0
    binding = session.io_binding()
    for name, value in given.items():
        binding.bind_input(
            contents.names[name],
            device.type,
            index,
            _numpy_type(value.dtype),
            tuple(value.shape),
            value.data_ptr(),
        )
    outputs: dict[str, Tensor | None] = {}
    for name in contents.network.outputs:
        shape = _shape(contents, name, given)
        if shape is None:
            outputs[name] = None
            binding.bind_output(contents.names[name], "cpu")
            continue
        made = torch.empty(shape, dtype=_torch_type(contents, name), device=device)
        outputs[name] = made
        binding.bind_output(
            contents.names[name],
            device.type,
            index,
            _numpy_type(made.dtype),
            shape,
            made.data_ptr(),
        )
    if device.type == "cuda":  # onnxruntime has a stream of its own
        torch.cuda.current_stream(device).synchronize()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    values = binding.get_outputs() if None in outputs.values() else []
    for place, (name, tensor) in enumerate(outputs.items()):
        if tensor is None:
            outputs[name] = torch.from_numpy(values[place].numpy()).to(device)
    return {name: tensor for name, tensor in outputs.items() if tensor is not None}


def _shape(contents: Contents, output: str, given: Mapping[str, Tensor]) -> tuple[int, ...] | None:
    """An output's sizes, where open ones are those of the inputs' axes of the same name."""
    known: dict[str, int] = {}
    for name, value in given.items():
        for axis, size in zip(contents.axes[name], value.shape, strict=False):
            if isinstance(axis, str):
                known[axis] = int(size)
    sizes = [
        axis if isinstance(axis, int) else known.get(str(axis)) for axis in contents.axes[output]
    ]
    shape = tuple(size for size in sizes if size is not None)
    return shape if len(shape) == len(sizes) else None


def _type(contents: Contents, name: str, value: Tensor) -> torch.dtype:
    """What a tensor is converted to: only floats are, so that a wrong index type is an error."""
    takes = contents.network.types[name]
    return getattr(torch, takes) if takes in FLOATS and value.is_floating_point() else value.dtype


def _torch_type(contents: Contents, name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, contents.network.types[name])
    return dtype


def _numpy_type(dtype: torch.dtype) -> Any:
    return torch.empty(0, dtype=dtype).numpy().dtype.type
