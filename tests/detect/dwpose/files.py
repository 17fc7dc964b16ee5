"""DWPose's two files in their own shapes: networks whose answers are known, and random ones."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the networks are made with onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

MEAN, SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def save(path, nodes, image, outputs, constants):
    """Write a graph of float tensors; names of inputs and outputs are nothing to rely on."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "dwpose",
        [helper.make_tensor_value_info("input", floats, image)],
        [helper.make_tensor_value_info(name, floats, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8  # older onnxruntimes refuse what onnx writes by default
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def colours():
    """A colour (133, 3) per keypoint, all equally far from black."""
    height = (np.arange(133) + 0.5) / 133
    turn = np.arange(133) * 0.6180339887 % 1 * np.pi / 2
    flat = np.sqrt(1 - height**2)
    return np.rint(np.stack([flat * np.cos(turn), flat * np.sin(turn), height], 1) * 240)


def save_people(path, cells):
    """A person detector that answers `cells` (8400, 85) whatever it sees."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["cells", "nothing"], ["output"]),
    ]
    constants = {"zero": np.float32(0), "cells": cells[None].astype(np.float32)}
    save(path, nodes, [1, 3, 640, 640], [("output", [1, 8400, 85])], constants)


def cells_of(boxes, score=0.9):
    """Cells (8400, 85) of persons with these boxes, in pixels of the detector's input."""
    cells = np.zeros((8400, 85), np.float32)
    for place, (x0, y0, x1, y1) in enumerate(boxes):
        cell = 8000 + place  # 20 x 20 cells of 32 pixels begin there
        column, row = place % 20, place // 20
        cells[cell, :2] = (x0 + x1) / 64 - column, (y0 + y1) / 64 - row
        cells[cell, 2:4] = np.log([(x1 - x0) / 32, (y1 - y0) / 32])
        cells[cell, 4:6] = 1, score
    return cells


def save_pose(path, batch="N"):
    """A pose network that finds each keypoint by its colour, RGB; scores are 1 or next to 0."""
    shades = colours().astype(np.float32)
    constants = {
        "spread": np.array(SPREAD, np.float32).reshape(1, 3, 1, 1),
        "mean": np.array(MEAN, np.float32).reshape(1, 3, 1, 1),
        "shades": (-2 * shades)[..., None, None],
        "squares": (shades**2).sum(1),
        "width": np.float32(-1 / (2 * 5**2)),
        "last": np.array([3], np.int64),
        "start": np.array([0, 0], np.int64),
        "end": np.array([384, 288], np.int64),
        "axes": np.array([2, 3], np.int64),
        "steps": np.array([2, 2], np.int64),
        "rows": np.array([0, 133, -1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Slice", ["input", "start", "end", "axes", "steps"], ["half"]),  # it is slow enough
        node("Mul", ["half", "spread"], ["scaled"]),
        node("Add", ["scaled", "mean"], ["pixels"]),
        node("ReduceSumSquare", ["pixels"], ["own"], axes=[1], keepdims=1),
        node("Conv", ["pixels", "shades", "squares"], ["partly"]),
        node("Add", ["partly", "own"], ["apart"]),
        node("Mul", ["apart", "width"], ["power"]),
        node("Exp", ["power"], ["likeness"]),
    ]
    for name, axis in (("x", 2), ("y", 3)):
        nodes += [
            node("ReduceMax", ["likeness"], [f"{name}1"], axes=[axis], keepdims=0),
            node("Unsqueeze", [f"{name}1", "last"], [f"{name}2"]),
            node("Concat", [f"{name}2"] * 4, [f"{name}3"], axis=3),
            node("Reshape", [f"{name}3", "rows"], [name]),
        ]
    outputs = [("x", [batch, "points", 576]), ("y", [batch, None, 768])]  # as exporters leave it
    save(path, nodes, [batch, 3, 384, 288], outputs, constants)


def save_random(folder):
    """Both files with random weights, a few channels only; the same on every machine."""
    generator = np.random.RandomState(5)
    node, nodes, constants, levels = helper.make_node, [], {}, []
    constants["scale"] = np.float32(1 / 255)
    nodes.append(node("Mul", ["input", "scale"], ["small"]))
    for stride in (8, 16, 32):
        weights = generator.normal(size=(85, 3, stride, stride)) * 4 / stride
        weights[:2] *= 0.3
        weights[2:4] *= 0.2
        bias = np.zeros(85)
        bias[2:4] = 2.2
        bias[4:7] = -7.0
        bias[7:] = -30.0  # no other thing than a person and one more
        constants |= {
            f"w{stride}": weights.astype(np.float32),
            f"b{stride}": bias.astype(np.float32),
            f"flat{stride}": np.array([1, 85, -1], np.int64),
        }
        nodes += [
            node("Conv", ["small", f"w{stride}", f"b{stride}"], [f"c{stride}"],
                 strides=[stride, stride]),
            node("Reshape", [f"c{stride}", f"flat{stride}"], [f"r{stride}"]),
        ]  # fmt: skip
        levels.append(f"r{stride}")
    nodes += [
        node("Concat", levels, ["all"], axis=2),
        node("Transpose", ["all"], ["rows"], perm=[0, 2, 1]),
        node("Split", ["rows", "split"], ["place", "sure"], axis=2),
        node("Sigmoid", ["sure"], ["likely"]),
        node("Concat", ["place", "likely"], ["output"], axis=2),
    ]
    constants["split"] = np.array([4, 81], np.int64)
    save(folder / "dwpose/yolox_l.onnx", nodes, [1, 3, 640, 640],
         [("output", [1, 8400, 85])], constants)  # fmt: skip

    constants = {"w": (generator.normal(size=(133, 3, 7, 7)) / 12).astype(np.float32)}
    nodes = [node("Conv", ["input", "w"], ["c"], pads=[3, 3, 3, 3])]
    for name, axis, long in (("x", 2, 288), ("y", 3, 384)):
        constants[f"{name}w"] = (generator.normal(size=(long, 2 * long)) / long).astype(np.float32)
        nodes += [
            node("ReduceMax", ["c"], [f"{name}1"], axes=[axis], keepdims=0),
            node("MatMul", [f"{name}1", f"{name}w"], [name]),
        ]
    outputs = [("x", ["N", 133, 576]), ("y", ["N", 133, 768])]
    save(folder / "dwpose/dw-ll_ucoco_384.onnx", nodes, ["N", 3, 384, 288], outputs, constants)


def synthetic(height, width):
    """A colourful picture (H, W, 3) uint8 with detail of every size."""
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    red, green = 255 * x // (width - 1) + 0 * y, 255 * y // (height - 1) + 0 * x
    return np.stack([red, green, (x ^ y) & 255], axis=2).astype(np.uint8)
