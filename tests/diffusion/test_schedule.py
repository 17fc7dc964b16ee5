from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.diffusion.schedule import Schedule, alphas_cumprod, space_timesteps
from realishuman.errors import SettingsError
from realishuman.packs.header import ScheduleConstants

RELEASED = ScheduleConstants()


def test_released_schedules_visit_the_published_timesteps():
    assert space_timesteps(RELEASED, 4) == (751, 501, 251, 1)
    assert space_timesteps(RELEASED, 20)[:2] == (951, 901)
    assert space_timesteps(RELEASED, 50)[:2] == (981, 961)


def test_trailing_timesteps_end_the_schedule_and_fall_evenly():
    trailing = replace(RELEASED, spacing="trailing")

    assert space_timesteps(trailing, 4) == (999, 749, 499, 249)


@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_timesteps_are_the_recorded_ones(golden, spacing):
    recorded = {k: v for k, v in golden("schedule.npz").items() if k.startswith(spacing)}
    assert len(recorded) == 12

    for name, timesteps in recorded.items():
        steps = int(name.split("_")[1])
        constants = replace(RELEASED, spacing=spacing)
        assert list(space_timesteps(constants, steps)) == timesteps.tolist()


@pytest.mark.parametrize("name", ["zero_snr", "plain"])
def test_signal_shares_are_the_recorded_ones(golden, name):
    recorded = golden("schedule.npz")[name].numpy()

    table = alphas_cumprod(replace(RELEASED, zero_snr=name == "zero_snr"))

    np.testing.assert_allclose(table, recorded, rtol=0, atol=5e-7)
    # the released table is float32, so its relative error grows where almost no signal is left
    np.testing.assert_allclose(table[:982], recorded[:982], rtol=2e-6)


def test_zero_terminal_snr_leaves_no_signal_at_the_end_and_all_of_it_at_the_start():
    rescaled = alphas_cumprod(RELEASED)
    plain = alphas_cumprod(replace(RELEASED, zero_snr=False))

    assert rescaled[-1] == 0
    assert rescaled[0] == pytest.approx(plain[0], rel=1e-12)
    assert (np.diff(rescaled) < 0).all()


def test_a_step_ends_a_fixed_stride_lower_and_the_last_one_at_timestep_zero():
    linspace = replace(RELEASED, spacing="linspace", prediction="v_prediction")
    table = alphas_cumprod(linspace)

    schedule = Schedule.of(linspace, 4)

    assert schedule.timesteps == (999, 666, 333, 0)
    assert schedule.previous == pytest.approx([table[749], table[416], table[83], table[0]])


@pytest.mark.parametrize("steps", [500, 999])
def test_steps_that_would_divide_by_a_signal_of_zero_are_refused(steps):
    with pytest.raises(SettingsError, match="choose another number of steps"):
        Schedule.of(RELEASED, steps)


def test_a_leading_schedule_needs_room_for_its_offset():
    with pytest.raises(SettingsError, match="do not fit"):
        Schedule.of(RELEASED, 1000)


@pytest.mark.parametrize("steps", [0, 1001])
def test_a_count_outside_the_training_schedule_is_refused(steps):
    with pytest.raises(SettingsError, match="1 to 1000"):
        Schedule.of(RELEASED, steps)
