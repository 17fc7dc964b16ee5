"""MANO's surface from joint rotations and shape, in torch, for export.

Frame: MANO's own, right hand, metres. Rotations are absolute: no mean pose is added.
Source  Romero et al. 2017, Embodied Hands; Loper et al. 2015, SMPL; smplx/lbs.py.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from realishuman.official.mano_file import PARENTS, ManoFile

TIPS = (744, 320, 443, 554, 671)  # vertices: thumb to little finger
ORDER = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)


class Mano(nn.Module):
    """Linear blend skinning of the MANO hand."""

    template: Tensor
    shape_directions: Tensor
    pose_directions: Tensor
    regressor: Tensor
    weights: Tensor

    def __init__(self, file: ManoFile) -> None:
        super().__init__()
        count = len(file.template)
        buffers = {
            "template": file.template,
            "shape_directions": file.shapes.reshape(3 * count, -1).T,
            "pose_directions": file.poses.reshape(3 * count, -1).T,
            "regressor": file.regressor,
            "weights": file.weights,
        }
        for name, values in buffers.items():
            self.register_buffer(name, torch.from_numpy(np.array(values, np.float32, order="C")))

    def forward(self, turns: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Pose the hand.

        turns    (B, 16, 3, 3) rotation of each joint in its parent.
        betas    (B, 10).
        Returns  vertices (B, 778, 3) and 21 joints (B, 21, 3): wrist, then thumb to little finger,
                 four each, base to tip.
        """
        shaped = self.template + (betas @ self.shape_directions).reshape(-1, *self.template.shape)
        rest = self.regressor @ shaped
        feature = (turns[:, 1:] - torch.eye(3)).reshape(-1, 9 * (len(PARENTS) - 1))
        offsets = (feature @ self.pose_directions).reshape(-1, *self.template.shape)
        rotation, place = _chain(turns, rest)
        moved = place - (rotation @ rest[..., None])[..., 0]  # where the joint takes the origin
        blended = (self.weights @ rotation.reshape(-1, len(PARENTS), 9)).reshape(
            -1, len(self.template), 3, 3
        )
        posed = (blended @ (shaped + offsets)[..., None])[..., 0] + self.weights @ moved
        joints = torch.cat([place, posed[:, list(TIPS)]], dim=1)[:, list(ORDER)]
        return posed, joints


def _chain(turns: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation (B, 16, 3, 3) and place (B, 16, 3) of all joints in the hand's frame."""
    rotation, place = [turns[:, 0]], [rest[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        bone = rest[:, joint] - rest[:, parent]
        place.append(place[parent] + (rotation[parent] @ bone[..., None])[..., 0])
        rotation.append(rotation[parent] @ turns[:, joint])
    return torch.stack(rotation, dim=1), torch.stack(place, dim=1)
