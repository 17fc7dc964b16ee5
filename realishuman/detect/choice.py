"""The detectors by the names that the setting `detector` has for them."""

from __future__ import annotations

from pathlib import Path

from realishuman.detect.base import Detector
from realishuman.detect.dwpose import DWPoseDetector
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.settings import DETECTORS

EMBEDDED, DWPOSE, RELEASED = DETECTORS


def open_detector(name: str, folder: Path, provider: str = "auto") -> Detector:
    """Make a detector, which opens its networks at its first picture.

    name      one of settings.DETECTORS.
    folder    the models folder.
    provider  as onnx_session takes it.
    Raises    ModelError if its files are missing.
    """
    if name == EMBEDDED:
        return EmbeddedDetector(provider)
    return DWPoseDetector(folder, provider, released=name == RELEASED)
