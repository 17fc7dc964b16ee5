"""FID's and KID's own features, from a file of weights that the user names; nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.errors import SettingsError
from realishuman.evaluate.distances import DISTANCES, MISSING
from realishuman.files.fingerprint import digest

PUBLISHED = "6726825d"  # how the SHA-256 begins of the weights that FID is defined on
FILE = "weights-inception-2015-12-05-6726825d.pth"
PAGE = "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0"
NETWORK, LAYER = "inception-v3-compat", "2048"


class Inception:
    """torch-fidelity's Inception v3, the extractor that FID and KID are defined on.

    path    its weights, FILE from PAGE. Of another file the distances keep their plain names.
    device  where it runs.
    Raises  SettingsError without torch-fidelity, or if the file is missing or another network's.
    """

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        if not path.is_file():
            raise SettingsError(f"{path} is missing: --inception needs {FILE} from {PAGE}.")
        try:
            from torch_fidelity import FeatureExtractorInceptionV3
        except (ImportError, RuntimeError) as error:  # the latter: a torchvision of another torch
            raise SettingsError(f"{MISSING} ({error})") from error
        try:
            torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity would run code
            self._network: Any = FeatureExtractorInceptionV3(
                NETWORK, [LAYER], feature_extractor_weights_path=str(path)
            ).to(device)
        except Exception as error:  # torch has no common error for damaged files
            raise SettingsError(
                f"{path} does not hold Inception's weights ({str(error).splitlines()[0][:200]}): "
                f"--inception needs {FILE} from {PAGE}."
            ) from error
        self._device = device
        known = digest(path).startswith(PUBLISHED)
        self.terms = ("FID", "KID") if known else DISTANCES
        self.name = (
            "torch-fidelity's Inception v3, pool features, weights of 2015-12-05"
            if known
            else f"torch-fidelity's Inception v3 with weights of {path.name}, which are not those "
            "FID is defined on"
        )

    def __call__(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (2048,) of a crop (R, R, 3), which torch-fidelity resizes as FID wants it."""
        image = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)[None]
        with torch.no_grad():
            (found,) = self._network(image.to(self._device))
        features: NDArray[np.float32] = found[0].float().cpu().numpy()
        return features
