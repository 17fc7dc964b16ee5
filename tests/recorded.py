"""Where tests find pictures and recordings that are not part of the repository.

REALISHUMAN_SAMPLES and REALISHUMAN_GOLDEN name the folders; without them, one beside the checkout
is tried. docs/parity.md says what they hold. Tests that need them say so when they are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared/data"
SAMPLES = Path(os.environ.get("REALISHUMAN_SAMPLES", BESIDE / "samples"))
GOLDEN = Path(os.environ.get("REALISHUMAN_GOLDEN", BESIDE / "golden"))
WITHOUT_SAMPLES = (
    f"needs the released sample pictures, and {SAMPLES} is not a folder: name theirs in "
    "REALISHUMAN_SAMPLES (docs/parity.md)"
)
WITHOUT_GOLDEN = (
    f"needs recordings of the released code, and {GOLDEN} is not a folder: name theirs in "
    "REALISHUMAN_GOLDEN (docs/parity.md)"
)
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=WITHOUT_SAMPLES)
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=WITHOUT_GOLDEN)
