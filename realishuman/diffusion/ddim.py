"""One deterministic DDIM step and its inverse, adding noise. Arithmetic is float32."""

from __future__ import annotations

from torch import Tensor

from realishuman.diffusion.schedule import Schedule


def step(schedule: Schedule, index: int, latents: Tensor, prediction: Tensor) -> Tensor:
    """Latents after step `index`.

    latents, prediction  same shape, float32.
    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", eq. 12 with sigma 0. Clean
    latents and noise are linear in latents and prediction, so the step is too: with a, b the
    roots of signal and noise share before and c, d those after,
        epsilon       x0 = (x - b e) / a              c x0 + d e = (c/a) x + (d - c b/a) e
        v_prediction  x0 = a x - b v, e = b x + a v   c x0 + d e = (c a + d b) x + (d a - c b) v
    """
    a, b = _roots(schedule.alphas[index])
    c, d = _roots(schedule.previous[index])
    if schedule.prediction == "epsilon":
        keep, add = c / a, d - c * b / a
    else:
        keep, add = c * a + d * b, d * a - c * b
    return latents * keep + prediction * add


def add_noise(schedule: Schedule, index: int, latents: Tensor, noise: Tensor) -> Tensor:
    """Clean latents as they would look before step `index`."""
    signal, spread = _roots(schedule.alphas[index])
    return latents * signal + noise * spread


def _roots(alpha: float) -> tuple[float, float]:
    return alpha**0.5, (1.0 - alpha) ** 0.5
