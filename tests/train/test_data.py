from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from realishuman.errors import SettingsError
from realishuman.packs.header import ScheduleConstants
from realishuman.synthetic.sample import sample
from realishuman.train.config import Stage
from realishuman.train.crops import cut, mirror, noisy, pack_crop, synthetic_crop, unpack_crop
from realishuman.train.data import AutoencoderData, StageOneData, StageTwoData
from realishuman.train.latents import Latents
from realishuman.train.shards import Crops, synthesise
from realishuman.train.views import i_f, part, tensor


def equal(one, other):
    names = [field.name for field in dataclasses.fields(one)]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_crops_depend_on_their_seed_alone(crops, make_config, tmp_path):
    config = make_config(tmp_path)

    assert equal(crops[3], synthetic_crop(3, config))
    assert not np.array_equal(crops[3].clean, crops[4].clean)


def test_packing_and_mirroring_lose_nothing(crops):
    crop = crops[0]

    assert equal(unpack_crop(pack_crop(crop)), crop)
    assert equal(mirror(mirror(crop)), crop)
    red, green, blue = np.moveaxis(mirror(crop).pose[:, ::-1], 2, 0)
    np.testing.assert_array_equal(np.stack([green, red, blue], axis=2), crop.pose)


def test_masks_lie_inside_each_other_and_on_the_hand(crops):
    for index in range(len(crops)):
        crop = crops[index]
        assert crop.m.any()
        assert not (crop.m_e & ~crop.m).any()
        assert not (crop.m & ~crop.m_d).any()
        assert (crop.m & crop.shown).sum() > 0.6 * crop.shown.sum()


def test_pose_noise_moves_the_mesh_with_its_joints():
    mesh = sample(0, 64).mesh
    moved = noisy(mesh, 0.05, np.random.default_rng(0))
    still = noisy(mesh, 0.0, np.random.default_rng(0))

    np.testing.assert_allclose(still.vertices, mesh.vertices, atol=1e-5)
    size = np.ptp(mesh.joints[:, :2], axis=0).max()
    step = np.linalg.norm(moved.joints - mesh.joints, axis=1).mean() / size
    assert 0.03 < step < 0.15
    assert np.isfinite(moved.vertices).all()


def test_crops_may_show_the_mesh_that_is_estimated_from_the_malformed_picture(make_config):
    config = make_config("none")
    exact = replace(config, data=replace(config.data, side=192, pose_exact=1.0))
    estimated = replace(exact, data=replace(exact.data, estimated=1.0))
    blank = replace(sample(2, 192), malformed=np.zeros((192, 192, 3), np.uint8))

    told, found = (synthetic_crop(2, one) for one in (exact, estimated))
    assert 0.4 < (told.m & found.m).sum() / (told.m | found.m).sum() < 0.98
    assert (told.shown & found.m).sum() > 0.6 * told.shown.sum()
    kept = cut(blank, estimated, np.random.default_rng(0))  # nothing to find: the true mesh
    assert (kept.m & kept.shown).sum() > 0.7 * kept.shown.sum()


def test_the_eroding_kernel_may_vary_from_crop_to_crop(make_config):
    config = make_config("none")
    wide = replace(config, data=replace(config.data, erode=(0, 40)))

    left = []
    for seed in range(4):
        crop = synthetic_crop(seed, wide)
        assert not (crop.m_e & ~crop.m).any()
        left.append(crop.m_e.sum() / crop.m.sum())
    assert max(left) > min(left) + 0.1
    none = replace(config, data=replace(config.data, erode=(0, 0)))
    np.testing.assert_array_equal(synthetic_crop(0, none).m_e, synthetic_crop(0, none).m)


def test_a_folder_is_made_once_and_only_for_its_configuration(crops, make_config, tmp_path):
    config = make_config(tmp_path)
    assert synthesise(config, 12, workers=1) == 0

    other = replace(config, data=replace(config.data, side=128))
    with pytest.raises(SettingsError, match="were made with side 64 instead of 128"):
        synthesise(other, 12, workers=1)
    empty = replace(config, data=replace(config.data, folder=str(tmp_path / "none")))
    with pytest.raises(SettingsError, match="realishuman train synthesise"):
        Crops(tmp_path / "none", empty)


def test_i_f_shows_the_malformed_picture_around_the_ring_and_the_clean_part_inside(crops):
    crop, exact = crops[1], np.random.default_rng(11)  # its first draw is no damage
    shown = ((i_f(crop, exact) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()

    np.testing.assert_array_equal(shown[~crop.m_d], crop.malformed[~crop.m_d])
    np.testing.assert_array_equal(shown[crop.m_e], crop.clean[crop.m_e])
    assert (shown[crop.m_d & ~crop.m_e] == 128).all()
    assert (part(crop)[:, torch.from_numpy(~(crop.shown | crop.m))] == 0).all()


def test_with_an_exact_core_i_f_shows_the_good_part_as_it_is_in_every_sample(
    crops, make_config, tmp_path
):
    crop = crops[1]
    wanted = tensor(crop.clean)[:, torch.from_numpy(crop.m_e)] * 2 - 1

    def cores(exact):
        pictures = [i_f(crop, np.random.default_rng(seed), exact=exact) for seed in range(12)]
        return [torch.equal(one[:, torch.from_numpy(crop.m_e)], wanted) for one in pictures]

    assert all(cores(exact=True))
    assert not all(cores(exact=False))
    shown = {}
    for exact in (True, False):
        config = make_config(tmp_path, stage_two={"steps": 1, "exact_core": exact})
        latents = Latents(crops, config, "stage-two", Squeezed(), tmp_path / f"latents-{exact}")
        shown[exact] = [latents[index, 0][1] for index in range(len(crops))]
    same = [torch.equal(*pair) for pair in zip(shown[True], shown[False], strict=True)]
    assert 0 < sum(same) < len(crops)


def test_the_reference_of_a_group_is_another_crop_well_formed_with_its_own_pose(
    crops, make_config, tmp_path
):
    config = make_config(tmp_path)
    latents = Latents(crops, config, "stage-one", Squeezed(), tmp_path / "latents")
    groups = {0: (3, 4), 3: (0, 4), 4: (0, 3)}
    stage = Stage(steps=1, drop=0.0, groups=True)
    data = StageOneData(crops, latents, config, stage, groups=groups)
    plain = StageOneData(crops, latents, config, stage)

    def row(of, index, variant, seed):
        return of.row(index, variant, torch.Generator().manual_seed(seed))

    others = set()
    for seed in range(12):
        drawn, own = row(data, 0, 1, seed), row(plain, 0, 1, seed)
        for name in ("clean", "pose", "noise", "timesteps", "keep"):
            assert torch.equal(getattr(drawn, name), getattr(own, name)), name
        (other,) = (i for i in (3, 4) if torch.equal(drawn.reference, latents[i, 1][0]))
        frame = mirror(crops[other])
        assert torch.equal(drawn.seen, part(frame))
        assert torch.equal(drawn.reference_pose, tensor(frame.pose))
        others.add(other)
    assert others == {3, 4}
    alone, own = row(data, 7, 0, 1), row(plain, 7, 0, 1)
    assert torch.equal(alone.reference, own.reference)
    assert torch.equal(alone.seen, own.seen)
    assert torch.equal(alone.reference_pose, own.pose)
    assert own.reference_pose is None
    assert data.batch([1, 2, 3]).reference_pose.shape == (3, 3, 32, 32)


class Squeezed:
    """An autoencoder that averages blocks of 4 pixels and repeats the channels."""

    def __init__(self):
        self.calls = 0

    def encode(self, images):
        self.calls += 1
        return torch.nn.functional.avg_pool2d(images, 4).repeat(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("stage", "kind"), [("stage-one", StageOneData), ("stage-two", StageTwoData)]
)
def test_batches_depend_on_the_sample_numbers_alone(crops, make_config, tmp_path, stage, kind):
    config = make_config(tmp_path)
    latents = Latents(crops, config, stage, Squeezed(), tmp_path / stage)
    data = kind(crops, latents, config, Stage(steps=1, drop=0.5, seed=7))
    whole, again = data.batch(range(40, 48)), data.batch([45, 41])

    for name, value in vars(again).items():
        if value is None:
            continue
        assert torch.equal(value, vars(whole)[name][[5, 1]]), name
    assert whole.clean.shape == (8, 6, 8, 8)
    assert whole.keep.any()
    assert not whole.keep.all()
    assert len(set(whole.timesteps.tolist())) > 3


def test_training_may_keep_to_the_timesteps_that_sampling_visits(crops, make_config, tmp_path):
    config = replace(make_config(tmp_path), schedule=ScheduleConstants(spacing="trailing"))
    latents = Latents(crops, config, "stage-two", Squeezed(), tmp_path / "latents")
    data = StageTwoData(crops, latents, config, Stage(steps=1, visited=4))

    assert set(data.batch(range(40)).timesteps.tolist()) == {249, 499, 749, 999}


def test_latents_are_made_once(crops, make_config, tmp_path):
    config, squeezed = make_config(tmp_path), Squeezed()
    for _ in range(2):
        latents = Latents(crops, config, "stage-one", squeezed, tmp_path / "latents")

    assert squeezed.calls == 6  # 12 crops, 2 variants, 2 pictures each, 8 at a time
    clean, reference = latents[5, 1]
    expected = Squeezed().encode(part(mirror(crops[5]))[None] * 2 - 1)[0]
    torch.testing.assert_close(clean, expected, atol=2e-3, rtol=0)
    assert not torch.equal(clean, reference)


def test_every_pass_sees_every_crop_and_none_that_is_held_out(crops, make_config, tmp_path):
    data = AutoencoderData(crops, make_config(tmp_path), Stage(steps=1))
    seen = [data._order.draw(number)[0] for number in range(20)]

    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    images, noise = data.batch([3, 4])
    assert images.shape == (2, 3, 32, 32)
    assert noise.shape == (2, 6, 8, 8)


def test_face_packs_train_on_faces(make_config, tmp_path):
    config = make_config(tmp_path)
    config = replace(config, pack=replace(config.pack, kind="face"))
    crop = synthetic_crop(1, config)

    assert (crop.clean != crop.malformed).any()
    assert (crop.m & crop.shown).sum() > 0.9 * crop.shown.sum()
    covered = crop.pose[crop.m]
    assert (covered[:, 0] == covered[:, 1]).all()  # grey, as face packs are shown their pose
    assert equal(mirror(mirror(crop)), crop)


def test_noise_on_a_face_moves_landmarks_and_mesh_as_one_smooth_surface():
    mesh = sample(0, 64, part="face").mesh
    moved = noisy(mesh, 0.03, np.random.default_rng(0))
    size = np.ptp(mesh.joints[:, :2], axis=0).max()
    step = (moved.joints - mesh.joints) / size

    np.testing.assert_allclose(moved.vertices[:468], moved.joints, atol=1e-4)
    assert 0.01 < np.linalg.norm(step, axis=1).mean() < 0.06
    edges = mesh.faces[(mesh.faces < 468).all(axis=1)][:, :2]
    assert np.linalg.norm(step[edges[:, 0]] - step[edges[:, 1]], axis=1).mean() < 0.015
