from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.errors import ModelError
from realishuman.evaluate.clips import Clip
from realishuman.evaluate.folder_tables import folders_report
from realishuman.evaluate.folders import FolderRun, compare
from realishuman.evaluate.identity import (
    POINTS,
    TEMPLATE,
    FaceIdentity,
    align_face,
    cosine_distance,
)
from realishuman.imaging.boxes import around
from realishuman.progress import Silent

onnx = pytest.importorskip("onnx", reason="a tiny network is made with onnx")


def landmarks(at=TEMPLATE):
    """468 points of which the five that count lie at `at`."""
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = at.mean(axis=0)
    for places, where in zip(POINTS, at, strict=True):
        points[list(places), :2] = where
    return points


@pytest.fixture
def network(tmp_path):
    """A function: a network that averages each of 16 fields of the face, 3 colours each."""

    def make(side=112, rank=4):
        from onnx import TensorProto, helper

        shape = ["N", 3, side, side][:rank]
        graph = helper.make_graph(
            [
                helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[28, 28],
                                 strides=[28, 28]),
                helper.make_node("Flatten", ["y"], ["vector"]),
            ],
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", None])],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        path = tmp_path / f"faces-{side}-{rank}.onnx"
        onnx.save(replace_version(model), path)
        return path

    return make


def replace_version(model):
    model.ir_version = 8  # older onnxruntimes refuse what onnx writes by default
    return model


@pytest.fixture
def face():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (112, 112))


def test_a_face_that_lies_as_arcfaces_template_is_left_as_it_is(face):
    np.testing.assert_array_equal(align_face(face, landmarks()), face)


@pytest.mark.parametrize(("turn", "size"), [(20, 1.0), (-35, 1.7), (90, 0.8), (10, 3.0)])
def test_a_turned_and_scaled_face_is_brought_back(face, turn, size):
    matrix = cv2.getRotationMatrix2D((56, 56), turn, size)
    matrix[:, 2] += 150 - 56
    moved = cv2.warpAffine(face, matrix, (400, 400), flags=cv2.INTER_CUBIC)
    # warpAffine counts from pixels' centres, keypoints from their corners
    points = landmarks((TEMPLATE - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5)

    back = align_face(moved, points)

    inside = np.s_[30:82, 30:82]
    assert np.abs(back[inside].astype(int) - face[inside]).mean() < 4


def test_the_same_face_is_at_0_and_another_is_not(face, network):
    faces = FaceIdentity(network(), "cpu")
    first = faces.vector(face, landmarks())

    assert np.linalg.norm(first) == pytest.approx(1)
    assert cosine_distance(first, faces.vector(face, landmarks())) == pytest.approx(0, abs=1e-9)
    assert cosine_distance(first, faces.vector(255 - face, landmarks())) == pytest.approx(2, 0.01)


def test_another_network_and_a_missing_file_are_refused(network, tmp_path):
    with pytest.raises(ModelError, match="face recognition network takes one"):
        FaceIdentity(network(side=56))
    with pytest.raises(ModelError, match="is no file: name the ONNX file"):
        FaceIdentity(tmp_path / "none.onnx")


def test_faces_have_a_distance_hands_have_none_and_without_a_file_nobody_has(
    face, network, tmp_path
):
    class Both:
        provider = note = "none"

        def detect(self, picture, kinds, *, confidence, given=()):
            part = Part("face", None, around(landmarks()), 0.9, landmarks())
            return [part, replace(part, kind="hand", keypoints=landmarks()[:21])]

    for name, picture in (("a", face), ("b", 255 - face)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    pair = [(Clip("x", tmp_path / "a.png"), Clip("x", tmp_path / "b.png"))]
    runs = [FolderRun(identity=FaceIdentity(network(), "cpu")), FolderRun()]
    for run in runs:
        compare(run, pair, ("face", "hand"), Both(), Silent())

    assert [part.identity for part in runs[0].parts] == [pytest.approx(2, 0.01), None]
    assert [part.identity for part in runs[1].parts] == [None, None]
    titles = [folders_report(run, "unknown", {}, ()).tables[1].columns for run in runs]
    assert ["identity, cosine distance" in each for each in titles] == [True, False]
