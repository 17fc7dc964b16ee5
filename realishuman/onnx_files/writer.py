"""Writes networks of any size as ONNX: a small file with the graph, one beside it with the weights.

The graph is traced without weights; these go to disk one at a time, so that memory holds a network
once. Large ones may be stored as float16: they are cast to float32 when the file is opened, and
computed with as float32. Linear layers' weights are stored the way ONNX multiplies with them.
"""

from __future__ import annotations

import errno
import inspect
import io
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from realishuman.advice import extra
from realishuman.errors import ModelError
from realishuman.progress import Progress

OPSET, IR_VERSION = 17, 8  # what onnxruntime 1.17 reads
ALIGNMENT = 4096  # of every tensor in the file of weights, so that it can be mapped
Half = Callable[[str, Tensor], bool]


@contextmanager
def whole_pair(target: Path) -> Iterator[Path]:
    """Give a place for a draft of `target` and its weights; move both when the block ends well.

    Whatever ends the block early, also Ctrl-C, leaves nothing of the draft. Where there is a file
    named `target`, its weights are complete.
    Raises  ModelError when the folder is missing, read-only or full.
    """
    folder: Path | None = None
    try:
        folder = Path(
            tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        )
        yield folder / target.name
        target.unlink(missing_ok=True)  # it would not fit the new weights
        weights_of(folder / target.name).replace(weights_of(target))
        (folder / target.name).replace(target)
    except OSError as error:
        raise ModelError(_reason(target, error)) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def weights_of(path: Path) -> Path:
    """Where the weights of an ONNX file are."""
    return path.with_name(f"{path.name}.data")


def write_onnx(
    net: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    path: Path,
    *,
    half: Half,
    constants: Mapping[str, Tensor],
    note: Mapping[str, str],
    progress: Progress,
) -> None:
    """Write `path` and its weights; call it with the draft that whole_pair gives.

    inputs     an example of each, by name; the first axis may have any size in the file.
    outputs    names of what net returns.
    half       whether to store a weight as float16, given its name and values.
    constants  further outputs that do not depend on the input, float32.
    note       goes into the file's metadata.
    progress   gets one step per weight.
    Raises     ModelError when the package onnx is missing, the disk is too small, or a weight is
               not finite; OSError as writing does.
    """
    graph = _Graph(trace(net, inputs, outputs), dict(net.state_dict()), half, path)
    for name, values in constants.items():
        graph.add_output(name, values)
    graph.refuse_without_room()
    progress.begin(f"writing {path.name}", len(graph.weights))
    with weights_of(path).open("wb") as file:
        for name in list(graph.weights):
            graph.store(name, file)
            progress.step()
    path.write_bytes(graph.finish(note))


def trace(net: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """The network's graph as ONNX; its weights are inputs after the others."""
    names = [*inputs, *outputs]
    choose: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        choose["dynamo"] = False  # the other exporter wants the weights in the graph
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that this exporter is the older one
        torch.onnx.export(
            net,
            tuple(inputs.values()),
            file,  # type: ignore[arg-type]  # the older exporter takes it
            export_params=False,
            do_constant_folding=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "n"} for name in names},
            opset_version=OPSET,
            **choose,
        )
    return file.getvalue()


class _Graph:
    """A traced graph whose weights are stored one by one."""

    def __init__(self, content: bytes, weights: dict[str, Tensor], half: Half, path: Path) -> None:
        self._onnx, self._path = _onnx(), path
        self._model = self._onnx.load_from_string(content)
        self._graph = self._model.graph
        given = {one.name for one in self._graph.input}
        self.weights = {name: values for name, values in weights.items() if name in given}
        self._halved = {name for name, values in self.weights.items() if half(name, values)}
        self._turned = self._without_transposes()
        kept = [one for one in self._graph.input if one.name not in self.weights]
        del self._graph.input[:]
        self._graph.input.extend(kept)

    def add_output(self, name: str, values: Tensor) -> None:
        """Add an output that is always the same."""
        self.weights[f"{name}.constant"] = values
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        self._graph.node.append(helper.make_node("Identity", [f"{name}.constant"], [name]))
        self._graph.output.append(helper.make_tensor_value_info(name, kind, list(values.shape)))

    def refuse_without_room(self) -> None:
        """Raise ModelError if the weights are larger than what is free."""
        path = self._path
        sizes = (v.numel() * (2 if n in self._halved else 4) for n, v in self.weights.items())
        needed = sum(sizes) + len(self.weights) * ALIGNMENT
        free = shutil.disk_usage(path.parent).free
        if needed > free:
            raise ModelError(
                f"{path.parent.parent} has {free / 1e9:.2f} GB left but {path.name} takes "
                f"{needed / 1e9:.2f} GB: free some space or choose another place"
            )

    def store(self, name: str, file: BinaryIO) -> None:
        """Append a weight to the file and say in the graph where it is."""
        values = self.weights[name].detach().cpu().float()
        if not torch.isfinite(values).all():
            raise ModelError(f"weight {name} holds NaN or infinity: the file is damaged, fetch it")
        values = values.T if name in self._turned else values
        if name in self._halved and torch.isfinite(values.half()).all():
            values = values.half()
            self._cast(name)
        file.write(b"\0" * (-file.tell() % ALIGNMENT))
        start = file.tell()
        file.write(values.contiguous().numpy().data)
        self._point(name, values, start, file.tell() - start)

    def finish(self, note: Mapping[str, str]) -> bytes:
        """The graph as it is written."""
        self._model.ir_version = IR_VERSION
        self._onnx.helper.set_model_props(self._model, dict(note))
        content: bytes = self._model.SerializeToString()
        return content

    def _without_transposes(self) -> set[str]:
        """Take out transposes of a weight that is used nowhere else; their names."""
        used: dict[str, list[Any]] = {}
        for node in self._graph.node:
            for name in node.input:
                used.setdefault(name, []).append(node)
        turned, gone, renamed = set(), [], {}
        for name in self.weights:
            nodes = used.get(name, [])
            if len(nodes) == 1 and nodes[0].op_type == "Transpose" and self._is_matrix(name):
                turned.add(name)
                gone.append(nodes[0])
                renamed[nodes[0].output[0]] = name
        for node in gone:
            self._graph.node.remove(node)
        for node in self._graph.node:
            for place, name in enumerate(node.input):
                node.input[place] = renamed.get(name, name)
        return turned

    def _is_matrix(self, name: str) -> bool:
        return self.weights[name].dim() == 2

    def _cast(self, name: str) -> None:
        """Read the weight through a cast to float32."""
        kind = self._onnx.TensorProto.FLOAT
        for node in self._graph.node:
            for place, read in enumerate(node.input):
                if read == name:
                    node.input[place] = f"{name}.float"
        cast = self._onnx.helper.make_node("Cast", [name], [f"{name}.float"], to=kind)
        self._graph.node.insert(0, cast)

    def _point(self, name: str, values: Tensor, start: int, length: int) -> None:
        kinds = self._onnx.TensorProto
        entry = self._graph.initializer.add()
        entry.name = name
        entry.dims.extend(values.shape)
        entry.data_type = kinds.FLOAT16 if values.dtype == torch.float16 else kinds.FLOAT
        entry.data_location = kinds.EXTERNAL
        location = weights_of(self._path).name  # found beside the graph, wherever that is
        where = {"location": location, "offset": str(start), "length": str(length)}
        for key, text in where.items():
            entry.external_data.add(key=key, value=text)


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelError(
            f"onnx is not installed, and exporting networks needs it: `{extra('official')}`"
        ) from error
    return onnx


def _reason(target: Path, error: OSError) -> str:
    """Say what kept the file from being written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"{target.parent} is full or allows no file of this size, so {target.name} was not "
            "written and nothing is left of it: free some space or choose another place"
        )
    if isinstance(error, FileNotFoundError):
        return (
            f"{target.parent} is not a folder: create it or choose another place for {target.name}"
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"{target.parent} may not be written to: choose another place ({error})"
    return f"{target} could not be written: {error}"
