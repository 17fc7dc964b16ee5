from __future__ import annotations

import torch

from realishuman.diffusion.noise import PartNoise

SHAPE = (4, 8, 8)


def draws(noise):
    return torch.stack([noise.initial(SHAPE), noise.step(SHAPE), noise.step(SHAPE)])


def test_a_part_draws_the_same_whoever_is_in_its_batch():
    together = draws(PartNoise(5, [0, 1, 2], "stage one"))
    alone = draws(PartNoise(5, [1], "stage one"))
    chunk = draws(PartNoise(5, [0, 1, 2], "stage one").rows(1, 3))

    assert together.shape == (3, 3, *SHAPE)
    assert torch.equal(together[:, 1:2], alone)
    assert torch.equal(together[:, 1:], chunk)


def test_seed_part_stage_and_draw_each_change_the_noise():
    first = draws(PartNoise(5, [0, 1], "stage one"))
    seeded = draws(PartNoise(6, [0, 1], "stage one"))
    second = draws(PartNoise(5, [0, 1], "stage two"))
    every = torch.cat([first, seeded, second]).flatten(0, 1)

    assert len({tuple(one.flatten()[:4].tolist()) for one in every}) == len(every)


def test_noise_is_standard_normal_and_drawn_from_the_documented_seed():
    noise = PartNoise(0, [1], "stage one").initial((4, 64, 64))

    seed = 7827200036200008536  # b2sum -l 64 of "0/1/stage one", little endian, halved
    generator = torch.Generator().manual_seed(seed)
    assert torch.equal(noise[0], torch.randn(4, 64, 64, generator=generator))
    assert noise.dtype is torch.float32
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03
