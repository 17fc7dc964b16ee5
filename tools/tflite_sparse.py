"""Makes the sparse tensors of a tflite file dense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

Array = NDArray[Any]


def densify(values: Array, sparsity: Any, shape: Sequence[int]) -> Array:
    """Return the dense array of a sparse tensor whose stored `values` are in traversal order.

    Source: SparsityParameters in tensorflow/lite/schema/schema.fbs.
    """
    order, rank = sparsity.TraversalOrderAsNumpy(), len(shape)
    blocks = np.atleast_1d(sparsity.BlockMapAsNumpy()) if sparsity.BlockMapLength() else []
    sizes = [sparsity.DimMetadata(level).DenseSize() for level in range(len(order))]
    places = [((), 0)]  # coordinates so far, and the position in this level's storage
    for level in range(len(order)):
        meta = sparsity.DimMetadata(level)
        if meta.Format() == tflite.DimensionType.DENSE:
            count = sizes[level]
            places = [((*at, i), pos * count + i) for at, pos in places for i in range(count)]
            continue
        segments, indices = (
            _index_vector(meta.ArraySegmentsType(), meta.ArraySegments()),
            _index_vector(meta.ArrayIndicesType(), meta.ArrayIndices()),
        )
        places = [
            ((*at, int(indices[k])), k)
            for at, pos in places
            for k in range(segments[pos], segments[pos + 1])
        ]
    dense = np.zeros(shape, values.dtype)
    block_size = {int(dim): sizes[rank + i] for i, dim in enumerate(blocks)}
    for at, position in places:
        target = [0] * rank
        for level, dim in enumerate(order):
            if dim < rank:
                target[dim] += at[level] * block_size.get(int(dim), 1)
            else:
                target[int(blocks[dim - rank])] += at[level]
        dense[tuple(target)] = values[position]
    return dense


def _index_vector(kind: int, table: Any) -> Array:
    vector = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64)
