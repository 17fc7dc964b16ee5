"""The noise schedule: which timesteps are visited and how much signal is left at each.

Everything is computed in float64 and handed out as Python floats; the sampler's tensors are
float32. The released code computes the same table in float32; the two differ by at most 1e-6 of
its value at every timestep that can be visited.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import SettingsError
from realishuman.packs.header import ScheduleConstants


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
        """Choose `steps` timesteps, 1 to train_steps.

        A step goes from t to t - train_steps // steps, whatever the spacing, and the last one to
        the signal share of t = 0: as released.
        Raises SettingsError where a step would divide by a signal of zero.
        """
        table = alphas_cumprod(constants)
        timesteps = spaced_timesteps(constants, steps)
        after = [t - constants.train_steps // steps for t in timesteps]
        alphas = tuple(float(table[t]) for t in timesteps)
        if constants.prediction == "epsilon" and min(alphas) <= 0:
            raise SettingsError(
                f"{steps} steps would start at timestep {timesteps[0]}, where these weights leave "
                "no signal to predict from; choose another number of steps, such as 20 or 50."
            )
        return cls(
            timesteps=timesteps,
            alphas=alphas,
            previous=tuple(float(table[max(t, 0)]) for t in after),
            prediction=constants.prediction,
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


def spaced_timesteps(constants: ScheduleConstants, steps: int) -> tuple[int, ...]:
    """`steps` timesteps, falling: spread over the schedule as the weights expect.

    leading   multiples of train_steps // steps from 0, plus the offset;
    linspace  evenly from 0 to the last;
    trailing  evenly down from the last.
    Raises SettingsError if they do not fit into the training schedule.
    """
    total = constants.train_steps
    if not 1 <= steps <= total:
        raise SettingsError(f"steps must be 1 to {total}, not {steps}")
    count = np.arange(steps, dtype=np.float64)
    if constants.spacing == "leading":
        chosen = count[::-1] * (total // steps) + constants.offset
    elif constants.spacing == "linspace":
        chosen = np.linspace(0, total - 1, steps).round()[::-1]
    else:
        chosen = (total - count * (total / steps)).round() - 1
    if chosen.max() >= total:
        raise SettingsError(
            f"{steps} steps do not fit into a schedule of {total} that starts at "
            f"{constants.offset}; choose at most {total // 2} steps."
        )
    return tuple(int(t) for t in chosen)
