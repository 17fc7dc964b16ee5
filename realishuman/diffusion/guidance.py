"""Classifier-free guidance: which steps use it, and how the two predictions are combined."""

from __future__ import annotations

from torch import Tensor


def count_guided_steps(steps: int, scale: float, share: float) -> int:
    """How many steps, from the first, need an unconditional prediction.

    None at scale 1. Otherwise `share` of them, 0..1: late steps change details only, so leaving
    guidance out there is the cheaper approximation.
    """
    return 0 if scale == 1.0 else round(share * steps)


def combine(predictions: Tensor, scale: float) -> Tensor:
    """Guided prediction (P, ...) from (2P, ...): P unconditional rows, then P conditional ones.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", in the form u + s (c - u).
    """
    unconditional, conditional = predictions.chunk(2)
    return unconditional + scale * (conditional - unconditional)
