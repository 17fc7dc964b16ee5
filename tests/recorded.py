"""Where tests find pictures and recordings that are not part of the repository.

REALISHUMAN_SAMPLES and REALISHUMAN_GOLDEN name the folders; docs/parity.md says what they hold.
Without them, tests that need them are skipped and say so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SAMPLES = Path(os.environ.get("REALISHUMAN_SAMPLES") or os.devnull)  # which is no folder
GOLDEN = Path(os.environ.get("REALISHUMAN_GOLDEN") or os.devnull)
WITHOUT_SAMPLES = (
    "needs the released sample pictures: REALISHUMAN_SAMPLES must name their folder "
    "(docs/parity.md)"
)
WITHOUT_GOLDEN = (
    "needs recordings of the released code: REALISHUMAN_GOLDEN must name their folder "
    "(docs/parity.md)"
)
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=WITHOUT_SAMPLES)
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=WITHOUT_GOLDEN)
