"""HaMeR from official files: equal to the public definition, and strict about what it is given."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from realishuman.errors import ModelError
from realishuman.official.decoder import rotations
from realishuman.official.hamer import build_hamer, open_hamer
from realishuman.official.mano import Mano
from realishuman.official.mano_file import read_mano
from realishuman.official.pickles import read_pickle

GOLDEN = Path(__file__).parents[1] / "golden/official/hamer.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as data:
        return dict(data)


@pytest.fixture(scope="module")
def mano(hamer_files):
    return read_mano(hamer_files[1], accept_unknown=True)


@pytest.fixture(scope="module")
def net(hamer_files, mano):
    return build_hamer(open_hamer(hamer_files[0]), mano)


def test_the_network_is_equal_to_the_public_definition(net, golden):
    noise = np.random.RandomState(7).standard_normal((2, 3, 256, 256))

    with torch.no_grad():
        found = net(torch.from_numpy(noise.astype(np.float32)))

    for name, values in zip(("vertices", "joints", "camera"), found, strict=True):
        assert values.dtype is torch.float32
        np.testing.assert_allclose(values.numpy(), golden[name], rtol=0, atol=2e-6, err_msg=name)


def test_a_result_does_not_depend_on_its_batch(net):
    crops = torch.randn(3, 3, 256, 256, generator=torch.Generator().manual_seed(2))

    with torch.no_grad():
        together, alone = net(crops)[0], torch.cat([net(crop[None])[0] for crop in crops])

    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_the_margin_of_a_crop_is_not_looked_at(net):
    crop = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    other = crop.clone()
    other[..., :32] = other[..., 224:] = 9

    with torch.no_grad():
        assert torch.equal(net(crop)[0], net(other)[0])


def test_a_flat_hand_is_the_template(mano):
    turns = torch.eye(3).expand(1, 16, 3, 3)

    vertices, joints = Mano(mano)(turns, torch.zeros(1, 10))

    np.testing.assert_allclose(vertices[0].numpy(), mano.template, atol=1e-6)
    np.testing.assert_allclose(joints[0, 0].numpy(), mano.regressor[0] @ mano.template, atol=1e-6)
    np.testing.assert_allclose(joints[0, 4].numpy(), mano.template[744], atol=1e-6)


def test_turning_the_wrist_turns_the_whole_hand_around_it(mano):
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turns = torch.eye(3).repeat(1, 16, 1, 1)
    turns[:, 0] = quarter
    wrist = mano.regressor[0] @ mano.template

    vertices, joints = Mano(mano)(turns, torch.zeros(1, 10))

    expected = (mano.template - wrist) @ quarter.numpy().T + wrist
    np.testing.assert_allclose(vertices[0].numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(joints[0, 0].numpy(), wrist, atol=1e-6)


def test_shape_and_pose_directions_add_up(mano):
    """One finger joint turned: the surface moves by its pose directions, then by its bones."""
    turns = torch.eye(3).repeat(1, 16, 1, 1)
    turns[:, 3] = torch.diag(torch.tensor([1.0, -1, -1]))
    betas = torch.zeros(1, 10)
    betas[0, 2] = 0.5

    vertices, _ = Mano(mano)(turns, betas)

    shaped = mano.template + 0.5 * mano.shapes[:, :, 2]
    places = 9 * (3 - 1) + np.array([4, 8])  # entries of joint 3 that differ from the identity
    offset = -2 * mano.poses[:, :, places].sum(axis=2)
    joint = mano.regressor[3] @ shaped
    turned = (shaped + offset - joint) * (1, -1, -1) + joint
    share = mano.weights[:, 3:4]
    np.testing.assert_allclose(
        vertices[0].numpy(), share * turned + (1 - share) * (shaped + offset), atol=2e-6
    )


def test_six_numbers_are_the_first_two_columns_of_a_rotation():
    pose = torch.tensor([[2.0, 0, 0, 5, 3, 0, 0, 0, -1, 0, 4, 0]])

    turns = rotations(pose)

    assert turns.shape == (1, 2, 3, 3)
    torch.testing.assert_close(turns[0, 0], torch.eye(3))
    torch.testing.assert_close(
        turns[0, 1], torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]), rtol=0, atol=0
    )


def test_the_fake_mano_is_written_as_python_2_did(hamer_files):
    content = hamer_files[1].read_bytes()

    for name in (b"chumpy.reordering\nSelect", b"chumpy.ch\nCh", b"scipy.sparse.csc\ncsc_matrix"):
        assert b"c" + name + b"\n" in content
    assert b"numpy._core" not in content
    assert abs(len(content) - 3_821_356) < 4000  # the official file's size


def changed(hamer_files, folder, **changes):
    """The fake MANO file with other entries; None leaves one out."""
    raw = {**read_pickle(hamer_files[1], "x"), **changes}
    path = folder / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps({k: v for k, v in raw.items() if v is not None}, protocol=2))
    return path


def test_mano_saved_anew_without_chumpy_is_the_same(hamer_files, mano, tmp_path):
    again = read_mano(changed(hamer_files, tmp_path), accept_unknown=True)

    for name, array in vars(mano).items():
        assert np.array_equal(array, getattr(again, name)), name


def test_an_unknown_mano_file_needs_consent(hamer_files):
    with pytest.raises(ModelError, match=r"SHA-256 differs.*--accept-unknown.*mano.is.tue.mpg.de"):
        read_mano(hamer_files[1])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"v_template": np.zeros((6890, 3))}, r"v_template of shape \(6890, 3\), not \(778, 3\)"),
        ({"posedirs": np.zeros((778, 3, 207))}, "posedirs of shape"),
        ({"f": None}, "lacks f"),
        ({"f": np.full((1538, 3), 778, np.uint32)}, "faces of vertices 778 to 778"),
        ({"weights": np.full((778, 16), np.nan)}, "not finite"),
        ({"kintree_table": np.zeros((2, 16), np.int64)}, "parents"),
    ],
)
def test_another_version_of_mano_is_named(hamer_files, tmp_path, changes, why):
    path = changed(hamer_files, tmp_path, **changes)

    with pytest.raises(ModelError, match=f"not MANO's right hand.*{why}.*mano.is.tue.mpg.de"):
        read_mano(path, accept_unknown=True)


def test_swapped_files_are_named(hamer_files):
    checkpoint, mano_file = hamer_files

    with pytest.raises(ModelError, match=r"torch checkpoint.*MANO_RIGHT.pkl"):
        read_mano(checkpoint, accept_unknown=True)
    with pytest.raises(ModelError, match=r"hamer.ckpt"):
        open_hamer(mano_file)


def test_a_left_hand_is_noticed(hamer_files, tmp_path):
    checkpoint = hamer_files[0]
    template = read_pickle(hamer_files[1], "x")["v_template"]
    left = read_mano(
        changed(hamer_files, tmp_path, v_template=template * (-1, 1, 1)), accept_unknown=True
    )

    with pytest.raises(ModelError, match="MANO_LEFT"):
        build_hamer(open_hamer(checkpoint), left)


def state(hamer_files):
    checkpoint = open_hamer(hamer_files[0])
    return {name: checkpoint.load(name) for name in checkpoint.shapes}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.pop("backbone.blocks.1.attn.qkv.bias"), "missing: backbone.blocks.1.attn.qkv"),
        (lambda s: s.update({"mano_head.more": torch.zeros(1)}), "not expected: mano_head.more"),
        (
            lambda s: s.update({"backbone.last_norm.bias": torch.zeros(3)}),
            r"backbone.last_norm.bias is \(3,\), expected \(160,\)",
        ),
        (lambda s: s.pop("backbone.pos_embed"), "no usable tensor 'backbone.pos_embed'"),
        (
            lambda s: s.update(
                {"mano_head.transformer.to_token_embedding.weight": torch.zeros(48, 109)}
            ),
            "query of 109 numbers",
        ),
    ],
)
def test_a_checkpoint_is_taken_only_if_every_tensor_fits(hamer_files, mano, tmp_path, change, why):
    tensors = state(hamer_files)
    change(tensors)
    path = tmp_path / "hamer.ckpt"
    torch.save({"state_dict": tensors}, path)

    with pytest.raises(ModelError, match=f"not HaMeR's checkpoint.*{why}.*fetch_demo_data.sh"):
        build_hamer(open_hamer(path), mano)


class Evil:
    def __reduce__(self):
        return (eval, ("open('ran', 'w')",))


def test_code_in_a_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(2)}, "hyper_parameters": Evil()}, "evil.ckpt")

    with pytest.raises(ModelError, match=r"refused.*eval.*fetch_demo_data.sh"):
        open_hamer(Path("evil.ckpt"))
    assert not Path("ran").exists()


@pytest.mark.parametrize("kept", [0, 10, 1000, 1_000_000])
def test_a_truncated_checkpoint_is_named(hamer_files, tmp_path, kept):
    path = tmp_path / "hamer.ckpt"
    path.write_bytes(hamer_files[0].read_bytes()[:kept])

    with pytest.raises(ModelError, match=r"hamer.ckpt.*fetch_demo_data.sh"):
        open_hamer(path)
