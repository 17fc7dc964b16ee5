"""What stands in for the classes a pickle of arrays names: inert records, turned into arrays later.

Nothing of the classes' own code runs, and none of their packages is needed. Only arrays of
numbers, scipy's sparse matrices and the two chumpy classes that MANO uses have a value. All are
classes, also what stands in for a function: a pickle can set attributes of a function, but not of
these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = "bifcu?"  # first letters of the dtypes that are read; all of fixed size
MOST = 1 << 28  # elements of a sparse matrix once it is full


class Inert:
    """An object of a class we know by name only: its state, and no behaviour."""

    def __init__(self, *_args: Any) -> None:
        self.state: Any = {}

    def __setstate__(self, state: Any) -> None:
        """Keep the state; called by the unpickler."""
        self.state = state


class Dtype(Inert):
    """Stands in for numpy.dtype."""

    def __init__(self, code: str = "O", *_args: Any) -> None:
        super().__init__()
        self.code = str(code)

    def value(self) -> np.dtype[Any]:
        """The dtype; raises ValueError when it is not one of plain numbers."""
        order = self.state[1] if isinstance(self.state, tuple) else "|"
        if self.code[:1] not in NUMBERS or not self.code[1:].isdigit() or order not in "<>=|":
            raise ValueError(f"an array of type {self.code!r}, which is not plain numbers")
        return np.dtype(("" if order == "|" else order) + self.code)

    @property
    def objects(self) -> bool:
        """Whether elements are Python objects instead of numbers."""
        return self.code[:1] == "O"


class Array(Inert):
    """Stands in for numpy.ndarray as `_reconstruct` makes it."""

    def value(self, plain: Callable[[Any], Any]) -> Any:
        """The array; one of objects becomes a list, or its only element if it has no axes."""
        _version, shape, dtype, fortran, raw = self.state
        if dtype.objects:
            items = [plain(item) for item in raw]
            return items if shape else items[0]
        return _numbers(raw, dtype, shape, "F" if fortran else "C")


class Buffer(Inert):
    """Stands in for an array as protocol 5 stores it."""

    def __init__(self, raw: Any, dtype: Dtype, shape: Any, order: str = "C") -> None:
        super().__init__()
        self.parts = (raw, dtype, shape, order)

    def value(self, _plain: Callable[[Any], Any]) -> NDArray[Any]:
        """The array."""
        return _numbers(*self.parts)


class Scalar(Inert):
    """Stands in for a numpy scalar."""

    def __init__(self, dtype: Dtype, raw: Any) -> None:
        super().__init__()
        self.dtype, self.raw = dtype, raw

    def value(self, _plain: Callable[[Any], Any]) -> Any:
        """The number."""
        return _numbers(self.raw, self.dtype, (), "C")[()]


class Compressed(Inert):
    """Stands in for scipy's matrices of compressed columns; becomes a full array."""

    by_rows = False

    def value(self, plain: Callable[[Any], Any]) -> NDArray[Any]:
        """The full matrix."""
        state = plain(self.state)
        rows, columns = (int(size) for size in state.get("_shape") or state["shape"])
        if rows * columns > MOST:
            raise ValueError(f"a sparse matrix of {rows} x {columns}")
        lengths = np.diff(state["indptr"])
        outer = np.repeat(np.arange(len(lengths)), lengths)
        places = (outer, state["indices"]) if self.by_rows else (state["indices"], outer)
        full = np.zeros((rows, columns), state["data"].dtype)
        np.add.at(full, places, state["data"])
        return full


class CompressedRows(Compressed):
    """The same with compressed rows."""

    by_rows = True


class Leaf(Inert):
    """Stands in for chumpy.ch.Ch: an array."""

    def value(self, plain: Callable[[Any], Any]) -> NDArray[Any]:
        """The array."""
        return np.asarray(plain(self.state["x"]))


class Select(Inert):
    """Stands in for chumpy.reordering.Select: some elements of an array, in a new shape."""

    def value(self, plain: Callable[[Any], Any]) -> NDArray[Any]:
        """The selected elements."""
        chosen = np.asarray(plain(self.state["a"])).ravel()[plain(self.state["idxs"])]
        shape = self.state.get("preferred_shape")
        return np.asarray(chosen if shape is None else chosen.reshape(plain(shape)))


class Remade(Inert):
    """Stands in for copyreg's `_reconstructor`, which old protocols make objects with."""

    def __new__(cls, kind: Any, *_args: Any) -> Any:
        """Return an empty object of another stand-in."""
        if not (isinstance(kind, type) and issubclass(kind, Inert)):
            raise ValueError(f"an object of {kind!r}")
        return kind()


class Encoded(Inert):
    """Stands in for `_codecs.encode`, which old protocols store bytes with."""

    def __new__(cls, text: str, encoding: str = "latin1") -> Any:
        """Return the bytes."""
        if encoding not in ("latin1", "latin-1"):
            raise ValueError(f"bytes in the encoding {encoding!r}")
        return text.encode("latin1")


def _numbers(raw: Any, dtype: Dtype, shape: Any, order: str) -> NDArray[Any]:
    data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    kind = dtype.value()
    sizes = (shape,) if isinstance(shape, int) else tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) * kind.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for an array of {sizes} {kind}")
    flat = np.frombuffer(data, kind)
    values: NDArray[Any] = flat.reshape(sizes, order="F" if order == "F" else "C").copy()
    return values


_NUMPY: Mapping[str, Any] = {
    "numpy.ndarray": Array,
    "numpy.dtype": Dtype,
    "numpy.core.multiarray._reconstruct": Array,
    "numpy.core.multiarray.scalar": Scalar,
    "numpy.core.numeric._frombuffer": Buffer,
}
_PLAIN: Mapping[str, Any] = {
    "_codecs.encode": Encoded,
    "builtins.object": Inert,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.bytearray": bytearray,
    "collections.OrderedDict": dict,
    "copyreg._reconstructor": Remade,
}
_MODELS: Mapping[str, Any] = {
    "chumpy.ch.Ch": Leaf,
    "chumpy.reordering.Select": Select,
    "scipy.sparse.csc.csc_matrix": Compressed,
    "scipy.sparse.csr.csr_matrix": CompressedRows,
}
STAND_INS: Mapping[str, Any] = {**_NUMPY, **_PLAIN, **_MODELS}
RENAMED: Mapping[str, str] = {  # start of a module's name today or in Python 2 -> as above
    "numpy._core.": "numpy.core.",
    "scipy.sparse._": "scipy.sparse.",
    "__builtin__.": "builtins.",
    "copy_reg.": "copyreg.",
    "chumpy.Ch": "chumpy.ch.Ch",
}
