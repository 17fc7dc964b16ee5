from __future__ import annotations

import pytest
import torch

from realishuman.diffusion import ddim, guidance
from realishuman.diffusion.schedule import Schedule

HALF = Schedule(timesteps=(500,), alphas=(0.64,), previous=(0.96,), prediction="epsilon")


def test_an_epsilon_step_by_hand():
    # x0 = (x - 0.6 e) / 0.8 = (1 - 0.3) / 0.8; then sqrt(0.96) x0 + sqrt(0.04) e
    after = ddim.step(HALF, 0, torch.tensor([1.0]), torch.tensor([0.5]))

    assert after.item() == pytest.approx(0.96**0.5 * 0.875 + 0.2 * 0.5, rel=1e-6)


def test_a_v_step_by_hand():
    # x0 = 0.8 x - 0.6 v = 0.5, e = 0.8 v + 0.6 x = 1.0
    by_v = Schedule(HALF.timesteps, HALF.alphas, HALF.previous, "v_prediction")

    after = ddim.step(by_v, 0, torch.tensor([1.0]), torch.tensor([0.5]))

    assert after.item() == pytest.approx(0.96**0.5 * 0.5 + 0.2 * 1.0, rel=1e-6)


def test_a_v_step_from_pure_noise_is_finite():
    from_noise = Schedule((999,), (0.0,), (0.25,), "v_prediction")

    after = ddim.step(from_noise, 0, torch.tensor([2.0]), torch.tensor([-3.0]))

    assert after.item() == pytest.approx(0.5 * 3.0 + 0.75**0.5 * 2.0)


def test_a_step_with_the_true_noise_only_lowers_its_share():
    clean, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    later = Schedule((250,), HALF.previous, (1.0,), "epsilon")

    after = ddim.step(HALF, 0, ddim.add_noise(HALF, 0, clean, noise), noise)

    torch.testing.assert_close(after, ddim.add_noise(later, 0, clean, noise))


def test_guidance_extrapolates_from_the_unconditional_rows():
    rows = torch.tensor([[1.0], [2.0], [1.5], [1.0]])  # two unconditional, two conditional

    assert guidance.combine(rows, 3.0).tolist() == [[2.5], [-1.0]]


@pytest.mark.parametrize(
    ("scale", "share", "expected"), [(3.0, 1.0, 20), (3.0, 0.6, 12), (3.0, 0.0, 0), (1.0, 1.0, 0)]
)
def test_guided_steps_are_the_first_share(scale, share, expected):
    assert guidance.count_guided_steps(20, scale, share) == expected
