"""Opens an ONNX file, checks that it is the network we expect, and says what really runs it.

The provider is read back from the session. A GPU that cannot be used, or fails while it works,
becomes a sentence that the caller can show; the CPU then does the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from realishuman.advice import pip
from realishuman.errors import ModelError
from realishuman.onnx_files.network import (
    FLOATS,
    Contents,
    Network,
    Shape,
    check_outputs,
    read,
)
from realishuman.onnx_files.provider import CPU, CUDA, Wish
from realishuman.onnx_files.weights import external_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CPU", "CUDA", "Network", "OnnxSession", "Shape", "open_session"]

Answer = TypeVar("Answer")
BROKEN = ("Fail", "InvalidProtobuf", "InvalidGraph", "NoModel", "InvalidArgument", "NotImplemented")
FAILED = ("Fail", "EPFail", "EngineError", "NotImplemented")  # while it runs


class OnnxSession:
    """A network that is open, or was released and opens again at its next use.

    Raises ModelError when it is made with a file that is missing, damaged or another network.
    """

    def __init__(self, path: Path, expected: Network | None, wish: Wish, threads: int) -> None:
        """Open the file; open_session is the usual way here."""
        self._path, self._expected = path, expected
        self._wish, self._threads = wish, threads
        self._failure = self._note = self._provider = ""
        self._session: Any = None
        self._weights: list[Any] = []  # what the session reads and does not own
        self._written = 0
        self._contents: Contents
        self._open()

    @property
    def provider(self) -> str:
        """What really runs it, for example "CPUExecutionProvider"."""
        return self._provider

    @property
    def note(self) -> str:
        """A sentence when that is not what was asked for, else empty."""
        return self._failure or self._note

    @property
    def network(self) -> Network:
        """Names, shapes and types of what it takes and gives."""
        return self._contents.network

    @property
    def is_open(self) -> bool:
        """Whether it holds the network in memory now."""
        return self._session is not None

    def release(self) -> None:
        """Let go of the network's memory; the next use opens the file again."""
        self._session, self._weights = None, []

    def run(self, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return every output by name.

        Floats are given and returned as float32, also where the file computes in float16.
        Raises ModelError when the network fails on the CPU as well, or an output has another size
        than expected.
        """
        types, names = self.network.types, self._contents.names
        given = {
            names[name]: value.astype(types[name]) if types[name] in FLOATS else value
            for name, value in inputs.items()
        }
        wanted = [names[name] for name in self.network.outputs]
        values = self._attempt(lambda session: session.run(wanted, given))
        outputs = {
            name: value.astype(np.float32) if types[name] in FLOATS else value
            for name, value in zip(self.network.outputs, values, strict=True)
        }
        if self._expected is not None:
            check_outputs(self._path, self._expected, outputs)
        return outputs

    def run_all(self, most: int, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run on any number of parts, at least one, in groups of at most `most`.

        inputs  (N, ...) each. A file that was exported for one part at a time gets them so.
        """
        fixed = next(iter(self.network.inputs.values()))[0]
        step = fixed or most
        count = len(next(iter(inputs.values())))
        groups = [
            self.run(**{name: value[start : start + step] for name, value in inputs.items()})
            for start in range(0, count, step)
        ]
        return {
            name: np.concatenate([group[name] for group in groups]) for name in self.network.outputs
        }

    def run_tensors(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Run on tensors where the network runs and return every output on the inputs' device.

        With CUDA nothing passes through the CPU. Outputs have the file's own types.
        Raises ModelError when the network fails on the CPU as well.
        """
        import torch

        from realishuman.onnx_files.binding import run_bound

        home = next(iter(inputs.values())).device

        def work(session: Any) -> dict[str, Tensor]:
            cuda = self._provider == CUDA
            device = torch.device("cuda", self._wish.number) if cuda else torch.device("cpu")
            return run_bound(session, self._contents, inputs, device)

        return {name: value.to(home) for name, value in self._attempt(work).items()}

    def _attempt(self, work: Callable[[Any], Answer]) -> Answer:
        """Do `work` with the open session; where a GPU fails, the CPU does it from then on."""
        if self._session is None or self._is_replaced():
            self.release()
            self._open()
        failures = _errors(_onnxruntime(), FAILED)
        try:
            return work(self._session)
        except failures as error:
            if self._provider == CPU:
                raise ModelError(f"{self._path} failed while it ran on the CPU: {error}") from error
            self._failure = (
                f"{self._path.name} failed on {self._provider} ({_first_line(error)}), so the CPU "
                "runs it from now on; free GPU memory or choose the CPU, then start again."
            )
        self._wish = Wish(cuda=False, asked=False)
        self.release()  # its memory first
        self._open()
        return self._attempt(work)

    def _open(self) -> None:
        ort = _onnxruntime()
        if not self._path.is_file():
            raise ModelError(
                f"{self._path} is missing; install the package again or fetch the file"
            )
        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors only: we report a fallback ourselves
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Spinning threads make a machine that is busy with other work several times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        written = self._path.stat().st_mtime_ns
        weights = {
            name: ort.OrtValue.ortvalue_from_numpy(values)
            for name, values in external_weights(self._path).items()
        }
        if weights:
            options.add_external_initializers(list(weights), list(weights.values()))
        try:
            session = self._session_on(ort, options, self._wish.providers(ort))
            self._contents = read(self._path, session, self._expected)
        except UnicodeDecodeError as error:  # a name in it, or in onnxruntime's own message
            raise ModelError(_describe_damage(self._path, error)) from error
        self._written, self._weights = written, list(weights.values())
        self._session, self._provider = session, session.get_providers()[0]
        self._note = self._wish.missed(ort, self._provider, self._path.name)

    def _is_replaced(self) -> bool:
        """Whether another file lies there now; what is gone is run on from memory."""
        try:
            return self._path.stat().st_mtime_ns != self._written
        except OSError:
            return False

    def _session_on(self, ort: Any, options: Any, providers: list[Any]) -> Any:
        """Make the session; where a GPU cannot even take the network, on the CPU alone."""
        failures = _errors(ort, (*BROKEN, "EPFail"))
        try:
            # onnxruntime's own fallback prints instead of telling the caller
            return ort.InferenceSession(
                str(self._path), options, providers=providers, enable_fallback=0
            )
        except failures as error:
            if providers == [CPU]:
                raise ModelError(_describe_damage(self._path, error)) from error
            failure = (
                f"{self._path.name} could not be put on {CUDA} ({_first_line(error)}), so the CPU "
                "runs it; free GPU memory or choose the CPU."
            )
        session = self._session_on(ort, options, [CPU])
        self._failure = failure
        return session


def open_session(
    path: Path, network: Network | None, *, provider: str = "auto", threads: int | None = None
) -> OnnxSession:
    """Open `path` and check that it takes and gives what `network` says.

    A file may keep its weights in a second file beside it (ONNX external data).
    network   None if the file's own names and shapes are to be read from what is returned.
    provider  "auto" (CUDA where it works, else CPU), "cpu", "cuda" or "cuda:1".
    threads   within one operator; at most 2 if not given, which suits small networks.

    Raises ModelError when the file is missing, damaged or another network.
    """
    wish = Wish.parse(provider)
    return OnnxSession(path, network, wish, threads or min(2, os.cpu_count() or 1))


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "onnxruntime cannot be imported, and the detectors need it: "
            f"`{pip('install', 'onnxruntime')}`"
        ) from error
    return onnxruntime


def _errors(ort: Any, names: tuple[str, ...]) -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises; its exceptions have no common base."""
    state = ort.capi.onnxruntime_pybind11_state
    found = [getattr(state, name) for name in (*names, "RuntimeException") if hasattr(state, name)]
    return tuple(found)


def _describe_damage(path: Path, error: Exception) -> str:
    said = " ".join(str(error).split())  # older onnxruntimes end theirs with a new line
    text = f"{path} ({path.stat().st_size} bytes) cannot be opened as an ONNX network: {said}; "
    if "external" in str(error).lower():
        return text + "the file of weights beside it is missing or cut short, fetch both again"
    return text + "the file is damaged or cut short, fetch it again"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
