"""What an ONNX file takes and gives: names, shapes and types, read from it and compared.

Names may be ours or the file's own: some published files were exported under names that nobody
promises, so their inputs and outputs are matched by place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from realishuman.errors import ModelError

Shape = tuple[int | None, ...]
FLOATS = ("float32", "float16")
_TYPES = {"float": "float32", "double": "float64"}  # ONNX's names where NumPy has others


@dataclass(frozen=True)
class Network:
    """What a file must contain.

    inputs, outputs  shape by name, where None stands for any size. Sizes that the file leaves
                     open pass when it is opened; those of outputs are looked at in each run.
    types            dtype by name ("int64"); what is not named is float32 or float16, as the file
                     has it.
    by_place         whether the names are ours alone: the file's are matched by their order.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    types: Mapping[str, str] = field(default_factory=dict)
    by_place: bool = False

    def fits(self, name: str, dtype: str) -> bool:
        """Whether an input or output may have this dtype."""
        wanted = self.types.get(name)
        return dtype == wanted if wanted else dtype in FLOATS


@dataclass(frozen=True)
class Contents:
    """What an opened file really contains.

    network  its shapes and types, by our names.
    names    the file's own name by ours.
    axes     sizes by our name; what the file leaves open is its own name for it, or None.
    """

    network: Network
    names: Mapping[str, str]
    axes: Mapping[str, tuple[int | str | None, ...]]


def read(path: Path, session: Any, expected: Network | None) -> Contents:
    """Say what an open session takes and gives, if that is what is expected.

    expected  None accepts everything.
    Raises    ModelError unless names, ranks, fixed sizes and types are as expected.
    """
    sides: dict[str, dict[str, Any]] = {}
    for what, tensors in (("input", session.get_inputs()), ("output", session.get_outputs())):
        wanted = (expected.inputs if what == "input" else expected.outputs) if expected else None
        by_place = expected is not None and expected.by_place
        sides[what] = _match_names(path, what, tensors, wanted, by_place)
        for name, tensor in sides[what].items():
            if expected is not None and wanted is not None:
                _check(path, f"{what} {name}", name, tensor, wanted[name], expected)
    every = {**sides["input"], **sides["output"]}
    shapes = {
        what: {name: _shape(tensor) for name, tensor in tensors.items()}
        for what, tensors in sides.items()
    }
    types = {name: _dtype(tensor) for name, tensor in every.items()}
    return Contents(
        Network(shapes["input"], shapes["output"], types),
        {name: tensor.name for name, tensor in every.items()},
        {name: tuple(tensor.shape) for name, tensor in every.items()},
    )


def _match_names(
    path: Path,
    what: str,
    tensors: Sequence[Any],
    wanted: Mapping[str, Shape] | None,
    by_place: bool,
) -> dict[str, Any]:
    """The tensors by our names."""
    if wanted is None:
        return {tensor.name: tensor for tensor in tensors}
    found = [tensor.name for tensor in tensors]
    if by_place and len(found) == len(wanted):
        return dict(zip(wanted, tensors, strict=True))
    if by_place or sorted(found) != sorted(wanted):
        expected = f"{len(wanted)} of them" if by_place else str(sorted(wanted))
        raise ModelError(
            f"{path} has the {what}s {sorted(found)}, expected {expected}; "
            "it is another network, fetch the right file"
        )
    return {tensor.name: tensor for tensor in tensors}


def _check(path: Path, what: str, name: str, tensor: Any, want: Shape, expected: Network) -> None:
    found = _shape(tensor)
    if not _alike(want, found) or not expected.fits(name, _dtype(tensor)):
        types = expected.types.get(name) or " or ".join(FLOATS)
        raise ModelError(
            f"{what} of {path} is {_dtype(tensor)} {_words(tensor.shape)}, expected {types} "
            f"{_words(want)}; it is another network, fetch the right file"
        )


def check_outputs(path: Path, expected: Network, outputs: Mapping[str, NDArray[Any]]) -> None:
    """Raise ModelError unless what a run gave, by our names, has the sizes that are expected.

    A file may leave sizes open that others have fixed, so opening it does not tell.
    """
    for name, value in outputs.items():
        if not _alike(expected.outputs[name], value.shape):
            raise ModelError(
                f"output {name} of {path} came as {_words(value.shape)}, expected "
                f"{_words(expected.outputs[name])}; it is another network, fetch the right file"
            )


def _alike(want: Shape, found: Shape) -> bool:
    """Whether the ranks agree and the sizes that both name."""
    return len(want) == len(found) and all(
        None in (size, other) or size == other for size, other in zip(want, found, strict=True)
    )


def _words(shape: Sequence[int | str | None]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape) or "one number"


def _shape(tensor: Any) -> Shape:
    """Sizes; one that the file leaves open, or gives a name, is None."""
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def _dtype(tensor: Any) -> str:
    inner = str(tensor.type).removeprefix("tensor(").removesuffix(")")
    return _TYPES.get(inner, inner)
