"""Linear blend skinning: carry a surface along with its bones."""

from __future__ import annotations

import numpy as np

from realishuman.mesh.hand_template import Floats


def skin(
    vertices: Floats, weights: Floats, linear: Floats, pivots: Floats, moved: Floats
) -> Floats:
    """Return the moved vertices (V, 3): each the weighted mean of what its bones do to it.

    vertices  (V, 3) at rest.
    weights   (V, B), rows sum to 1.
    linear    (B, 3, 3) turn and stretch of each bone.
    pivots    (B, 3) a point of each bone at rest; `moved` (B, 3) is where it goes.
    Source    Magnenat-Thalmann et al. 1988, joint-dependent local deformations.
    """
    constant = moved - (linear @ pivots[:, :, None])[..., 0]
    blended = (weights @ linear.reshape(len(linear), 9)).reshape(-1, 3, 3)
    return np.asarray((blended @ vertices[:, :, None])[..., 0] + weights @ constant, np.float64)
