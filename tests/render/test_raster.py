from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realishuman.errors import ModelError
from realishuman.mesh.normals import vertex_normals
from realishuman.render import raster as module
from realishuman.render.raster import interpolate, rasterise

UPPER = [[0, 0, 1], [0, 4, 1], [4, 0, 1]]  # upper left half of a 4 x 4 picture, faces the viewer
FIELDS = ("coverage", "depth", "face", "weights")


def draw(triangles, size=4, **options):
    """Rasterise triangles that share no vertices."""
    vertices = torch.tensor(triangles, dtype=torch.float32).view(-1, 3)
    return rasterise(vertices, torch.arange(len(vertices)).view(-1, 3), size, size, **options)


def bumpy_ball(subdivisions, size):
    """Return a closed surface with creases and self-occlusion that fills most of the square."""
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    points = np.asarray(ball.vertices)
    radius = 0.38 + 0.08 * np.sin(7 * points + [0.3, 0.1, 0.7]).prod(axis=1, keepdims=True)
    vertices = torch.from_numpy((points * radius + 0.5) * size + 0.123).float()
    return vertices, torch.from_numpy(np.asarray(ball.faces))


def test_an_edge_through_pixel_centres_leaves_them_to_the_face_on_its_right():
    upper = draw(UPPER)
    lower = draw([[4, 0, 1], [0, 4, 1], [4, 4, 1]])

    expected = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    assert torch.equal(upper.coverage, expected)
    assert torch.equal(lower.coverage, ~expected)


def test_one_triangle_by_hand():
    shot = draw([[0, 0, 0], [0, 4, 8], [4, 0, 16]])

    assert [getattr(shot, name).dtype for name in FIELDS] == [
        torch.bool,
        torch.float32,
        torch.int64,
        torch.float32,
    ]
    assert shot.depth[0].tolist() == [3, 7, 11, np.inf]  # 4 x + 2 y at the centres
    assert shot.depth[:, 0].tolist() == [3, 5, 7, np.inf]
    assert shot.face[0].tolist() == [0, 0, 0, -1]
    assert shot.weights[0, 1].tolist() == [0.5, 0.125, 0.375]  # centre (1.5, 0.5)
    assert shot.weights[0, 3].tolist() == [0, 0, 0]


def test_faces_seen_from_behind_are_dropped_unless_asked_for():
    behind = [UPPER[0], UPPER[2], UPPER[1]]

    assert not draw(behind).coverage.any()
    assert torch.equal(draw(behind, cull=False).coverage, draw(UPPER).coverage)
    assert draw(behind, cull=False).weights[0, 1].tolist() == [0.5, 0.375, 0.125]


def test_the_nearest_face_wins_whatever_the_order_and_the_sign_of_depth():
    layers = [[[x, y, z] for x, y, _ in UPPER] for z in (2.0, -3.0, -1.0, 0.0)]

    assert draw(layers).face[0, 0] == 1
    assert draw(layers[::-1]).face[0, 0] == 2
    assert draw(layers).depth[0, 0] == -3


@pytest.mark.parametrize("depths", [(5.0, 5.0, 5.0), (-0.0, 0.0, 0.0), (0.0, -0.0, -0.0)])
def test_of_equal_depths_the_lowest_face_wins(depths):
    layers = [[[x, y, z] for x, y, _ in UPPER] for z in depths]

    assert draw([[[0, 0, 9], [0, 1, 9], [1, 0, 9]], *layers]).face[0].tolist() == [1, 1, 1, -1]


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(*[st.integers(1, 31).map(lambda n: n / 4)] * 2),  # on centres and borders
            st.tuples(*[st.floats(1 / 64, 8 - 1 / 64, width=32)] * 2),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_cut_up_square_covers_every_pixel_exactly_once(points):
    """Each point splits the triangle it lies in, or both if on an edge, into three."""
    triangles = [[(0.0, 0.0), (0.0, 8.0), (8.0, 0.0)], [(8.0, 0.0), (0.0, 8.0), (8.0, 8.0)]]
    for p in points:
        homes = [t for t in triangles if all(turn(t[i - 1], t[i], p) <= 0 for i in range(3))]
        triangles = [t for t in triangles if t not in homes]
        triangles += [[home[i - 1], home[i], p] for home in homes for i in range(3)]

    times = sum(draw([[(*p, 0) for p in t]], size=8, cull=False).coverage.int() for t in triangles)

    assert torch.equal(times, torch.ones(8, 8).int())


def turn(a, b, c):
    """Return a number below 0 if c is on the inner side of a to b, in exact arithmetic."""
    (ax, ay), (bx, by), (cx, cy) = (map(Fraction, point) for point in (a, b, c))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def test_a_face_that_leaves_the_picture_is_cut_at_its_border():
    vertices, faces = bumpy_ball(3, 64)

    whole = rasterise(vertices, faces, 64, 64)
    part = rasterise(vertices - torch.tensor([20.0, 30.0, 0.0]), faces, 25, 40)

    assert torch.equal(part.face, whole.face[30:55, 20:60])
    torch.testing.assert_close(part.depth, whole.depth[30:55, 20:60])


@pytest.mark.parametrize("shift", [(-9, 0), (9, 0), (0, -9), (0, 9), (1e9, -1e30)])
def test_a_face_beside_the_picture_leaves_it_empty(shift):
    shot = draw([[x + shift[0], y + shift[1], z] for x, y, z in UPPER])

    assert not shot.coverage.any()
    assert (shot.depth == torch.inf).all()
    assert (shot.face == -1).all()
    assert (shot.weights == 0).all()


def test_a_huge_face_covers_everything_at_its_own_depth():
    shot = draw([[-1e9, -1e9, 3], [0, 1e9, 3], [1e9, -1e9, 3]], size=300)

    assert shot.coverage.all()
    assert (shot.depth == 3).all()


def test_many_large_faces_are_worked_on_in_pieces(monkeypatch):
    vertices, faces = bumpy_ball(2, 64)
    whole = rasterise(vertices, faces, 64, 64)

    monkeypatch.setattr(module, "CHUNK", 50)
    pieces = rasterise(vertices, faces, 64, 64)
    sizes = [len(index) for index, _ in module._spread(torch.tensor([20, 0, 30, 1, 70, 3]))]

    assert all(torch.equal(getattr(pieces, name), getattr(whole, name)) for name in FIELDS)
    assert sizes == [50, 1, 70, 3]  # never over CHUNK, but for one that alone is larger


@pytest.mark.parametrize(
    "triangle",
    [
        [[1.5, 1.5, 1]] * 3,
        [[0, 0, 1], [2, 2, 1], [4, 4, 1]],
        [[0, 1.5, 1], [4, 1.5, 1], [2, 1.5, 9]],
    ],
)
def test_a_face_without_area_is_not_seen(triangle):
    assert not draw(triangle, cull=False).coverage.any()


def test_no_mesh_gives_an_empty_raster():
    shot = rasterise(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int32), 3, 5)

    assert not shot.coverage.any()
    assert shot.weights.shape == (3, 5, 3)
    assert interpolate(shot, torch.zeros(0, 3).int(), torch.zeros(0, 2)).shape == (3, 5, 2)
    assert vertex_normals(torch.zeros(0, 3), torch.zeros(0, 3).int()).shape == (0, 3)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_vertex_that_is_not_finite_is_refused(value):
    vertices = torch.tensor(UPPER).float()
    vertices[1, 2] = value

    with pytest.raises(ModelError, match="1 of 3 mesh vertices"):
        rasterise(vertices, torch.tensor([[0, 1, 2]]), 4, 4)


def test_depth_stays_within_the_corners_of_a_face_seen_nearly_edge_on():
    """Its plane is so steep that float64 misses the depth at this pixel by thousands."""
    shot = draw([[-2e8, 2e8, 0], [0.5, 0.5, 1000], [0.5001, 0.4999, -1000]], cull=False)

    seen = shot.depth[shot.coverage]
    assert len(seen) > 0
    assert (seen.abs() <= 1000).all()


@pytest.mark.parametrize("subdivisions", [2, 4, 5])
def test_coverage_depth_and_face_are_those_that_rays_find(subdivisions):
    """No pixel of these meshes differs from embree in coverage; two may, as its rays are float32.

    Neighbouring faces may swap where a ray passes within rounding of their edge.
    """
    pytest.importorskip("embreex")
    trimesh = pytest.importorskip("trimesh")
    size = 256
    vertices, faces = bumpy_ball(subdivisions, size)
    rows, columns = np.mgrid[:size, :size]
    origins = np.stack([columns + 0.5, rows + 0.5, np.full((size, size), -50.0)], -1).reshape(-1, 3)
    scene = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
    hits, ray, triangle = scene.ray.intersects_location(
        origins, np.tile([0.0, 0.0, 1.0], (size * size, 1)), multiple_hits=False
    )
    depth = np.full(size * size, np.inf)
    depth[ray] = hits[:, 2]
    face = np.full(size * size, -1)
    face[ray] = triangle

    shot = rasterise(vertices, faces, size, size)

    ours = shot.coverage.numpy().ravel()
    assert 0.4 < ours.mean() < 0.8
    assert (ours != np.isfinite(depth)).sum() <= 2
    both = ours & np.isfinite(depth)
    assert np.abs(shot.depth.numpy().ravel()[both] - depth[both]).max() < 1e-3  # pixels
    assert (shot.face.numpy().ravel() != face).sum() <= 10


def test_the_same_mesh_gives_the_same_raster():
    vertices, faces = bumpy_ball(4, 128)

    first, second = (rasterise(vertices, faces, 128, 128) for _ in range(2))
    narrow = rasterise(vertices, faces.int(), 128, 128)

    for other in (second, narrow):
        assert all(torch.equal(getattr(first, name), getattr(other, name)) for name in FIELDS)


def test_attributes_that_are_affine_in_space_come_out_exactly():
    vertices, faces = bumpy_ball(4, 128)
    attributes = torch.stack([2 * vertices[:, 0] - vertices[:, 1] + 3, vertices[:, 2]], dim=1)

    shot = rasterise(vertices, faces, 128, 128)
    picture = interpolate(shot, faces.int(), attributes)

    row, column = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    plane = 2 * (column + 0.5) - (row + 0.5) + 3
    seen = shot.coverage
    torch.testing.assert_close(picture[..., 0][seen], plane[seen], rtol=0, atol=2e-4)
    torch.testing.assert_close(picture[..., 1][seen], shot.depth[seen], rtol=0, atol=2e-4)
    assert (picture[~seen] == 0).all()


def test_weights_are_shares():
    vertices, faces = bumpy_ball(5, 128)

    weights = rasterise(vertices, faces, 128, 128).weights

    seen = weights[weights.sum(dim=2) > 0]
    assert (seen >= 0).all()
    torch.testing.assert_close(seen.sum(dim=1), torch.ones(len(seen)))


def test_normals_of_a_cube_point_along_its_diagonals():
    """Two triangles meet at some corners of a side and one at others: angles even that out."""
    trimesh = pytest.importorskip("trimesh")
    cube = trimesh.creation.box()
    vertices = torch.tensor(np.asarray(cube.vertices)).float()

    normals = vertex_normals(vertices, torch.tensor(np.asarray(cube.faces)))

    torch.testing.assert_close(normals, vertices / 0.75**0.5)


def test_normals_are_those_of_trimesh():
    trimesh = pytest.importorskip("trimesh")
    vertices, faces = bumpy_ball(3, 100)
    reference = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False).vertex_normals

    normals = vertex_normals(vertices, faces)

    np.testing.assert_allclose(normals.numpy(), reference, atol=1e-5)


def test_a_vertex_of_no_proper_face_has_no_normal():
    vertices = torch.tensor([*UPPER, [9, 9, 9], [5, 5, 5]]).float()

    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2], [3, 3, 0]]))

    assert normals.tolist() == [[0, 0, -1]] * 3 + [[0, 0, 0]] * 2


@pytest.mark.gpu
def test_cuda_gives_what_the_processor_gives():
    vertices, faces = bumpy_ball(5, 256)
    here = rasterise(vertices, faces, 256, 256)

    there = rasterise(vertices.cuda(), faces.cuda(), 256, 256)
    normals = vertex_normals(vertices.cuda(), faces.cuda())

    assert there.depth.is_cuda
    assert torch.equal(there.coverage.cpu(), here.coverage)
    torch.testing.assert_close(there.depth.cpu(), here.depth)
    assert (there.face.cpu() != here.face).sum() <= 2  # rounding of equal depths
    torch.testing.assert_close(
        interpolate(there, faces.cuda(), normals).cpu(),
        interpolate(here, faces, vertex_normals(vertices, faces)),
        rtol=0,
        atol=1e-4,
    )
