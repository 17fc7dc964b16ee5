"""3DDFA-V3's faces equal what its public definition gave for the same weights and pictures.

golden/official/face3d.npz was recorded by running github.com/wang-zidu/3DDFA-V3, commit e153858, on
the numbers that formula.py makes.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from realishuman.detect.base import Part
from realishuman.errors import ModelError
from realishuman.imaging.boxes import around
from realishuman.mesh.face3d import BASIS, NETWORK, REGRESSOR, OfficialFace
from realishuman.mesh.face_alignment import FIVE, STANDARD, align_face, five_points
from realishuman.mesh.face_basis import FaceBasis, pose, read_basis
from realishuman.official.export_face import convert_face_model, export_face
from realishuman.official.face_model import read_face_model
from realishuman.official.resnet import FaceRegressor, load_face_regressor, shapes_of
from realishuman.onnx_files.session import open_session
from realishuman.render.raster import interpolate, rasterise
from realishuman.render.shade import shade_face
from tests.official import formula

GOLDEN = np.load(Path(__file__).parents[1] / "golden/official/face3d.npz")
TINY = (4, (1, 1, 1, 1))  # width and blocks of a regressor that costs nothing


def face_at(points, picture):
    """A part whose 68 keypoints are these five."""
    keypoints = np.zeros((68, 3), np.float32)
    for place, point in zip(FIVE[68], points, strict=True):
        keypoints[list(place), :2] = point
    keypoints[:, :2][keypoints[:, 0] == 0] = points[2]
    return Part("face", None, around(keypoints), 0.9, keypoints)


def tiny_basis():
    arrays = formula.basis_arrays()
    return FaceBasis(
        arrays["u"].reshape(-1, 3).astype(np.float32),
        arrays["id"].astype(np.float32),
        arrays["exp"].astype(np.float32),
        arrays["tri"].astype(np.int32),
        arrays["point_buf"].astype(np.int32),
    )


def write_model(path, arrays=None):
    with path.open("wb") as file:
        np.save(file, np.array(arrays or formula.basis_arrays(), dtype=object), allow_pickle=True)
    return path


def write_weights(path, size=TINY):
    with torch.device("meta"):
        shapes = shapes_of(FaceRegressor(*size))
    torch.save({"net_recon": formula.face_weights(shapes)}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A models folder with a tiny regressor and face model."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "face3d").mkdir()
    assert export_face(write_weights(folder / "net_recon.pth"), folder / REGRESSOR) < 1e-5
    convert_face_model(write_model(folder / "face_model.npy"), folder / BASIS)
    return folder


def test_the_official_network_gives_the_recorded_coefficients(tmp_path):
    size = tuple(GOLDEN["inside_size"][::-1])
    crop = align_face(GOLDEN["inside_points"] + 0.5, size[::-1]).crop(formula.picture(*size))
    network = load_face_regressor(write_weights(tmp_path / "net_recon.pth", (64, (3, 4, 6, 3))))

    assert sum(t.numel() for t in network.state_dict().values()) == 24_087_798
    assert len(network.state_dict()) == 332
    found = network(torch.from_numpy(crop)[None])[0]
    np.testing.assert_allclose(found.numpy(), GOLDEN["alpha"], atol=1e-4)


@pytest.mark.parametrize("row", [0, 1])
def test_the_posed_face_and_its_normals_equal_the_recorded_ones(row):
    face = pose(tiny_basis(), formula.coefficients(2)[row])

    recorded = GOLDEN[f"v2d_{row}"]
    expected = np.stack([recorded[:, 0], 224 - recorded[:, 1]], axis=1)  # its y points up
    np.testing.assert_allclose(face.vertices[:, :2], expected, atol=2e-4)
    depth = GOLDEN[f"v3d_{row}"][:, 2]
    np.testing.assert_allclose(face.vertices[:, 2], depth - depth.mean(), atol=1e-5)
    normals = torch.from_numpy(face.normals).float()[None]
    grey = shade_face(normals, torch.ones(normals.shape[:2], dtype=torch.bool))[0, :, 0].numpy()
    np.testing.assert_allclose(grey, 255 * GOLDEN[f"grey_{row}"], atol=1.001)  # cut off to uint8


@pytest.mark.parametrize("name", ["inside", "corner", "small"])
def test_crop_and_way_back_equal_the_recorded_ones(name):
    width, height = (int(n) for n in GOLDEN[f"{name}_size"])
    place = align_face(GOLDEN[f"{name}_points"] + 0.5, (width, height))

    scale = GOLDEN[f"{name}_trans"][2]
    assert place.scaled == (int(width * scale), int(height * scale))
    crop = place.crop(formula.picture(height, width))
    recorded = GOLDEN[f"{name}_crop"]
    np.testing.assert_allclose(crop[:, 4::8, 4::8] * 255, recorded.transpose(2, 0, 1), atol=1.01)
    corners = np.array([[0.0, 0.0], [112.0, 50.0], [224.0, 224.0]])
    np.testing.assert_allclose(place.to_picture(corners), GOLDEN[f"{name}_back"], atol=1e-9)


def test_a_face_far_outside_the_picture_has_a_black_crop():
    place = align_face(STANDARD[:, :2] * [80, -80] + [900, 900], (300, 200))

    assert not place.crop(np.full((200, 300, 3), 255, np.uint8)).any()


@pytest.mark.parametrize("count", [68, 468])
def test_the_five_points_are_eyes_nose_and_mouth_of_either_set(count):
    keypoints = np.zeros((count, 3), np.float32)
    for number, place in enumerate(FIVE[count]):
        keypoints[list(place), 0] = [number - 0.5, number + 0.5][: len(place)] or number
    keypoints[FIVE[count][2][0], 0] = 2

    assert five_points(keypoints)[:3, 0].tolist() == [0, 1, 2]


def test_every_face_of_a_picture_gets_its_own_mesh(folder):
    picture = formula.picture(300, 400)
    left = np.array([[60, 110], [120, 112], [91, 150], [65, 180], [115, 182]])
    parts = [face_at(left, picture), face_at(left * 0.5 + [220, 40], picture)]

    first, second = OfficialFace(folder).regress(picture, parts)
    alone = OfficialFace(folder).regress(picture, parts[1:])[0]

    np.testing.assert_allclose(second.vertices, alone.vertices, atol=1e-3)
    assert np.abs(first.vertices[:, 0].mean() - 91) < 60
    assert np.abs(second.vertices[:, 0].mean() - 266) < 30
    np.testing.assert_array_equal(first.joints, parts[0].keypoints)
    np.testing.assert_allclose(np.linalg.norm(first.normals, axis=1).max(), 1, atol=1e-6)


def test_depth_has_the_unit_of_width():
    basis = tiny_basis()
    face = pose(basis, np.zeros(257))

    shape = basis.mean
    seen = np.ptp(face.vertices[:, 2]) * face.scale
    assert seen == pytest.approx(np.ptp(shape[:, 2]) * face.scale)
    assert face.scale == pytest.approx(101.5, rel=0.1)


def test_no_faces_need_no_files(tmp_path):
    assert OfficialFace(tmp_path).regress(formula.picture(8, 8), []) == []


def test_the_exported_network_gives_the_same_numbers(folder):
    session = open_session(folder / REGRESSOR, NETWORK)
    network = load_face_regressor(folder / "net_recon.pth")
    crop = np.random.default_rng(0).random((3, 3, 224, 224), np.float32)

    found = session.run(crop=crop)["coefficients"]

    np.testing.assert_allclose(found, network(torch.from_numpy(crop)).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("backbone.bn1.weight"), "1 missing: backbone.bn1.weight"),
        (lambda t: t.update(more=torch.zeros(1)), "1 unexpected: more"),
        (lambda t: t["final_layers.6.bias"].fill_(np.nan), "holds NaN or infinity"),
        (
            lambda t: t.update({"final_layers.0.bias": torch.zeros(79)}),
            "final_layers.0.bias is 79, expected 80",
        ),
    ],
)
def test_weights_that_are_not_the_regressor_s_are_refused_by_name(tmp_path, change, says):
    path = write_weights(tmp_path / "net_recon.pth")
    tensors = torch.load(path, weights_only=True)["net_recon"]
    change(tensors)
    torch.save({"net_recon": tensors}, path)

    with pytest.raises(ModelError, match=says) as refused:
        load_face_regressor(path)

    assert "Zidu-Wang/3DDFA-V3" in str(refused.value)


def _one_based(arrays):
    arrays["tri"] = arrays["tri"] + 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_one_based, r"`faces` refers to 1..40, not to 0..39"),
        (lambda a: a.update(id=a["id"][:, :79]), r"`identity` has the shape \(120, 79\)"),
        (lambda a: a.update(u=a["u"][:-1]), "another version"),
        (lambda a: a.update(tri=a["tri"] * 1.0), "`tri` holds float64"),
        (lambda a: a.pop("point_buf"), "not point_buf"),
        (lambda a: a["exp"].fill(np.inf), "`expression` holds NaN"),
    ],
)
def test_another_version_of_the_face_model_is_refused_by_name(tmp_path, change, says):
    arrays = formula.basis_arrays()
    change(arrays)
    path = write_model(tmp_path / "face_model.npy", arrays)

    with pytest.raises(ModelError, match=says) as refused:
        read_face_model(path)

    assert str(path) in str(refused.value)
    assert "Zidu-Wang/3DDFA-V3" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (b"version https://git-lfs", "LFS pointer"),
        (b"", "empty"),
    ],
)
def test_files_that_are_no_face_model_are_told_apart(tmp_path, content, says):
    path = tmp_path / "face_model.npy"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=says):
        read_face_model(path)


def test_a_face_model_that_was_cut_short_is_damaged(tmp_path):
    path = write_model(tmp_path / "face_model.npy")
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises(ModelError, match="truncated, damaged"):
        read_face_model(path)


def test_a_converted_face_model_that_was_changed_is_refused(folder, tmp_path):
    (tmp_path / "basis.npz").write_bytes((folder / BASIS).read_bytes()[:-200])

    with pytest.raises(ModelError, match="setup official"):
        read_basis(tmp_path / "basis.npz")


@pytest.mark.parametrize(
    ("points", "says"),
    [(np.full((5, 2), 7.0), "lie within 0 pixels"), (STANDARD[:, :2] * 1e6, "does not fit")],
)
def test_faces_without_a_size_are_refused(points, says):
    with pytest.raises(ModelError, match=says):
        align_face(points, (100, 100))


def test_the_render_is_the_released_one_drawn_finer(fakes_set):
    """The released code draws 224 x 224 pixels and enlarges them into the picture."""
    vertices, faces = fakes_set.mask(60, 61, 0, 0)
    basis = FaceBasis(
        vertices.astype(np.float32),
        np.zeros((vertices.size, 80), np.float32),
        np.zeros((vertices.size, 64), np.float32),
        faces.astype(np.int32),
        fakes_set._around(faces, len(vertices)).astype(np.int32),
    )
    coefficients = np.zeros(257)
    coefficients[224:227] = (0.1, 0.4, 0.1)
    place = align_face(STANDARD[:, :2] * [200, -200] + [310, 260], (640, 500))
    face = pose(basis, coefficients)

    small, mask = drawn(face.vertices, face.normals, faces, (224, 224))
    released, covered = (
        enlarged(pixels, place, how)
        for pixels, how in ((small, Image.Resampling.BICUBIC), (mask, Image.Resampling.NEAREST))
    )
    ours_at = np.hstack([place.to_picture(face.vertices), face.vertices[:, 2:]])
    ours, ours_mask = drawn(ours_at, face.normals, faces, (500, 640))

    both = (covered > 0) & (ours_mask > 0)
    assert both.sum() / ((covered > 0) | (ours_mask > 0)).sum() > 0.98
    inside = cv2.erode(both.astype(np.uint8), np.ones((9, 9))) > 0
    off = np.abs(released.astype(int) - ours)[inside]
    assert off.mean() < 1
    assert np.percentile(off, 99) <= 3


def drawn(vertices, normals, faces, size):
    """Grey and coverage of a mesh, (H, W) uint8 each."""
    raster = rasterise(torch.from_numpy(vertices).float(), torch.from_numpy(faces), *size)
    spread = interpolate(raster, torch.from_numpy(faces), torch.from_numpy(normals).float())
    grey = shade_face(spread, raster.coverage)[..., 0].numpy()
    return grey, 255 * raster.coverage.numpy().astype(np.uint8)


def enlarged(pixels, place, how):
    """The released way back into the picture."""
    whole = Image.new("L", place.size).resize(place.scaled, how)
    whole.paste(Image.fromarray(pixels), place.corner)
    return np.asarray(whole.resize(place.size, how))
