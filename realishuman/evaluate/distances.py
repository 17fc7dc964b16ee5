"""How far two sets of crops are apart, by features of a named network.

The distances are torch-fidelity's. They are called Fréchet and kernel distance; FID and KID are
defined on Inception's features, which inception.py gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.advice import extra
from realishuman.diffusion.networks import Backbone
from realishuman.imaging.boxes import Box, square
from realishuman.imaging.crop import Crop, extract
from realishuman.packs.header import PackHeader

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]

CROP_SIDE, MARGIN = 224, 1.5  # of a crop: pixels, and longer sides of its part
LEAST = 50  # crops below which neither distance means anything
SUBSETS = 100  # of the kernel distance's estimate
SEED = 0
DISTANCES = ("Fréchet", "kernel")
MISSING = f"distances need torch-fidelity: `{extra('evaluate')}`"


class Extractor(Protocol):
    """Turns a crop (R, R, 3) uint8 into features (F,) float32.

    name   which network it is.
    terms  what the two distances on its features are called.
    """

    name: str
    terms: tuple[str, str]

    def __call__(self, crop: Pixels) -> Features:
        """The crop's features."""


class PackEncoder:
    """Features of a pack's own image encoder: its class token, as it comes from DINOv2."""

    terms = DISTANCES

    def __init__(self, backbone: Backbone, header: PackHeader) -> None:
        self._backbone = backbone
        shape = header.image_encoder
        self.name = (
            f"class token of {header.name}'s image encoder (width {shape.width}, "
            f"{shape.depth} blocks, {header.weights} weights)"
        )

    def __call__(self, crop: Pixels) -> Features:
        """Run the encoder on one crop."""
        image = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad(), self._backbone.stage_one() as networks:
            tokens = networks.image_encoder(image)
        features: Features = tokens[0, 0].float().cpu().numpy()
        return features


@dataclass(frozen=True)
class Distance:
    """Of two sets of crops; None with a note where it cannot be told.

    frechet  squared, of normal distributions with the sets' means and covariances.
    kernel   squared maximum mean discrepancy, polynomial kernel of degree 3; may fall below 0.
    """

    frechet: float | None
    kernel: float | None
    note: str = ""


def crop_part(picture: Pixels, box: Box) -> Pixels:
    """A part in its box and what is around it, (224, 224, 3): what distances compare."""
    pixels = (extract(picture, Crop(square(box, MARGIN), CROP_SIDE)) * 255).round().byte()
    array: Pixels = pixels.permute(1, 2, 0).numpy()
    return array


def distance(first: Sequence[Features], second: Sequence[Features]) -> Distance:
    """Compare two sets of features.

    Returns  Distance; a set under LEAST crops, or of no more crops than features for `frechet`,
             or a missing torch-fidelity leaves values out and says so.
    Source   Heusel et al. 2017; Binkowski et al. 2018; computed by torch-fidelity.
    """
    count = min(len(first), len(second))
    if count < LEAST:
        return Distance(None, None, f"{count} crops are too few for a distance; {LEAST} are needed")
    try:
        from torch_fidelity import metric_fid, metric_kid
    except (ImportError, RuntimeError) as error:  # the latter: a torchvision of another torch
        return Distance(None, None, f"{MISSING} ({error})")
    sets = [torch.from_numpy(np.stack(each).astype(np.float64)) for each in (first, second)]
    kernel = metric_kid.kid_features_to_metric(
        *sets,
        kid_subsets=SUBSETS,
        kid_subset_size=count // 2,
        kid_kernel="poly",
        rng_seed=SEED,
        verbose=False,
    )[metric_kid.KEY_METRIC_KID_MEAN]
    width = sets[0].shape[1]
    if count <= width:
        note = f"{count} crops cannot give a covariance of {width} features: no Fréchet distance"
        return Distance(None, float(kernel), note)
    statistics = [metric_fid.fid_features_to_statistics(each) for each in sets]
    frechet = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    return Distance(float(frechet[metric_fid.KEY_METRIC_FID]), float(kernel))
