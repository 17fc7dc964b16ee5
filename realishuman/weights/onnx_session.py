"""Opens an ONNX file, checks that it is the network we expect, and says what runs it.

onnxruntime falls back to the CPU without an exception; here the provider is read back from the
session, and a fallback becomes a sentence that the caller can show.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import ModelError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROVIDERS: Mapping[str, tuple[str, ...]] = {"auto": (CUDA, CPU), "cpu": (CPU,), "cuda": (CUDA, CPU)}


@dataclass(frozen=True)
class Network:
    """What a file must contain: names and shapes, where None stands for any size."""

    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]


@dataclass(frozen=True)
class OnnxSession:
    """An open network.

    provider  what really runs it, for example "CPUExecutionProvider".
    note      a sentence when that is not what was asked for, else empty.
    network   names and shapes of what it takes and gives.
    """

    provider: str
    note: str
    network: Network
    _session: Any

    def run(self, **inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return every output by name."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


def open_session(
    path: Path, network: Network | None, *, provider: str = "auto", threads: int | None = None
) -> OnnxSession:
    """Open `path` and check that it takes and gives what `network` says, all float32.

    network   None if the file's own names and shapes are to be read from what is returned.
    provider  "auto" (CUDA where it works, else CPU), "cpu" or "cuda".
    threads   within one operator; at most 2 if not given, as the networks are small.

    Raises ModelError when the file is missing, damaged or another network.
    """
    if provider not in PROVIDERS:
        raise ModelError(f"provider must be one of {', '.join(PROVIDERS)}, not {provider!r}")
    if not path.is_file():
        raise ModelError(f"{path} is missing; install the package again or fetch the file")
    ort = _onnxruntime()
    wanted = PROVIDERS[provider]
    usable = [name for name in wanted if name in ort.get_available_providers()]
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: we report a fallback ourselves
    options.intra_op_num_threads = threads or min(2, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    # Spinning threads make a machine that is busy with other work several times slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(path), options, providers=usable or [CPU])
    except _load_errors(ort) as error:
        raise ModelError(
            f"{path} ({path.stat().st_size} bytes) cannot be opened as an ONNX network: {error}; "
            "the file is damaged or cut short, fetch it again"
        ) from error
    found = Network(_shapes(session.get_inputs()), _shapes(session.get_outputs()))
    expected = network or found
    _check(path, "input", session.get_inputs(), expected.inputs)
    _check(path, "output", session.get_outputs(), expected.outputs)
    really = session.get_providers()[0]
    note = ""
    if provider == "cuda" and really != CUDA:
        note = (
            f"CUDA was asked for but {path.name} runs on {really}; "
            "install onnxruntime-gpu and its CUDA libraries to use the GPU"
        )
    return OnnxSession(really, note, found, session)


def _shapes(tensors: list[Any]) -> dict[str, tuple[int | None, ...]]:
    """Sizes by name; a size that a file leaves open, or gives a name, is None."""
    return {
        tensor.name: tuple(size if isinstance(size, int) else None for size in tensor.shape)
        for tensor in tensors
    }


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "onnxruntime cannot be imported, and the detectors need it: pip install onnxruntime"
        ) from error
    return onnxruntime


def _load_errors(ort: Any) -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises for a bad file; its exceptions have no common base."""
    state = ort.capi.onnxruntime_pybind11_state
    names = (
        "Fail",
        "InvalidProtobuf",
        "InvalidGraph",
        "InvalidArgument",
        "NoModel",
        "NotImplemented",
    )
    return tuple(getattr(state, name) for name in (*names, "RuntimeException"))


def _check(
    path: Path, what: str, found: list[Any], expected: Mapping[str, tuple[int | None, ...]]
) -> None:
    """Raise ModelError unless names, ranks, fixed sizes and dtype are as expected."""
    shapes = {tensor.name: tensor.shape for tensor in found}
    if shapes.keys() != expected.keys():
        raise ModelError(
            f"{path} has the {what}s {sorted(shapes)}, expected {sorted(expected)}; "
            "it is another network, fetch the right file"
        )
    for tensor in found:
        want = expected[tensor.name]
        fits = len(want) == len(tensor.shape) and all(
            size is None or size == is_size
            for size, is_size in zip(want, tensor.shape, strict=True)
        )
        if not fits or tensor.type != "tensor(float)":
            raise ModelError(
                f"{what} {tensor.name} of {path} is {tensor.type} {tensor.shape}, "
                f"expected tensor(float) {list(want)}; fetch the right file"
            )
