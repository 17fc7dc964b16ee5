"""The noise schedule: which timesteps are visited and how much signal is left at each.

Everything is computed in float64 and handed out as Python floats; the sampler's tensors are
float32. The released code computes the same table in float32; the two differ by at most 1e-6 of
its value at every timestep that can be visited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import SettingsError
from realishuman.packs.header import ScheduleConstants

PREDICTIONS = ("epsilon", "v_prediction")  # what a network may predict
NO_SIGNAL = 1e-6  # signal share below which a schedule ends without any


@dataclass(frozen=True)
class NoiseTable:
    """A training schedule as its owner hands it out.

    alphas      signal share (alpha bar) per training timestep, falling.
    prediction  what the network predicts: "epsilon" or "v_prediction".
    spacing, offset  which timesteps are visited; see spread.
    """

    alphas: Sequence[float]
    prediction: str = "epsilon"
    spacing: str = "leading"
    offset: int = 1

    @classmethod
    def of(cls, constants: ScheduleConstants) -> NoiseTable:
        """The table of these constants."""
        table = tuple(alphas_cumprod(constants).tolist())
        return cls(table, constants.prediction, constants.spacing, constants.offset)


@dataclass(frozen=True)
class Schedule:
    """The steps of one run, first to last.

    timesteps   of the training schedule, falling.
    alphas      signal share (alpha bar) at each step, before it.
    previous    signal share after each step.
    prediction  what the network predicts: "epsilon" or "v_prediction".
    """

    timesteps: tuple[int, ...]
    alphas: tuple[float, ...]
    previous: tuple[float, ...]
    prediction: str

    @classmethod
    def of(cls, constants: ScheduleConstants, steps: int) -> Schedule:
        """Choose `steps` timesteps, 1 to train_steps; raises SettingsError as on."""
        return cls.on(NoiseTable.of(constants), steps)

    @classmethod
    def on(cls, noise: NoiseTable, steps: int, last: int | None = None) -> Schedule:
        """Choose `steps` timesteps, 1 to as many as the table has, and keep the last so many.

        A step goes from t to t - train_steps // steps, whatever the spacing, and the last one to
        the signal share of t = 0: as released.
        Raises SettingsError where a step would divide by a signal of zero.
        """
        table, total = noise.alphas, len(noise.alphas)
        timesteps = spread(total, steps, noise.spacing, noise.offset)[-(last or steps) :]
        after = [t - total // steps for t in timesteps]
        alphas = tuple(float(table[t]) for t in timesteps)
        if noise.prediction == "epsilon" and min(alphas) <= 0:
            raise SettingsError(
                f"{steps} steps would start at timestep {timesteps[0]}, where these weights leave "
                "no signal to predict from; choose another number of steps, such as 20 or 50."
            )
        return cls(
            timesteps=timesteps,
            alphas=alphas,
            previous=tuple(float(table[max(t, 0)]) for t in after),
            prediction=noise.prediction,
        )


def alphas_cumprod(constants: ScheduleConstants) -> NDArray[np.float64]:
    """Signal share (alpha bar) per training timestep, (train_steps,), falling.

    Betas are the squares of evenly spaced roots. With zero_snr the roots of alpha bar are shifted
    and stretched so that the last is 0 and the first stays.
    Source: Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", alg. 1.
    """
    low, high = constants.beta_start**0.5, constants.beta_end**0.5
    roots = np.linspace(low, high, constants.train_steps, dtype=np.float64)
    alphas: NDArray[np.float64] = np.cumprod(1.0 - roots**2, dtype=np.float64)
    if not constants.zero_snr:
        return alphas
    root = np.sqrt(alphas)
    rescaled = (root - root[-1]) * root[0] / (root[0] - root[-1])
    squared: NDArray[np.float64] = np.square(rescaled, dtype=np.float64)
    return squared


def space_timesteps(constants: ScheduleConstants, steps: int) -> tuple[int, ...]:
    """`steps` timesteps of these constants, falling; see spread."""
    return spread(constants.train_steps, steps, constants.spacing, constants.offset)


def spread(total: int, steps: int, spacing: str, offset: int) -> tuple[int, ...]:
    """`steps` of `total` timesteps, falling: spread over the schedule as the weights expect.

    leading   multiples of total // steps from 0, plus the offset;
    linspace  evenly from 0 to the last;
    trailing  evenly down from the last.
    Raises SettingsError if they do not fit into the training schedule.
    """
    if not 1 <= steps <= total:
        raise SettingsError(f"steps must be 1 to {total}, not {steps}")
    count = np.arange(steps, dtype=np.float64)
    if spacing == "leading":
        chosen = count[::-1] * (total // steps) + offset
    elif spacing == "linspace":
        chosen = np.linspace(0, total - 1, steps).round()[::-1]
    else:
        chosen = (total - count * (total / steps)).round() - 1
    if chosen.max() >= total:
        raise SettingsError(
            f"{steps} steps do not fit into a schedule of {total} that starts at {offset}; choose "
            f"at most {total // 2} steps."
        )
    return tuple(int(t) for t in chosen)
