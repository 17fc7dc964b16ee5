"""What of training needs a torch that is newer than the oldest WebUI's."""

from __future__ import annotations

import pytest
import torch

needs_torch_2_6 = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6),
    reason=f"needs torch 2.6 or newer, and this is {torch.__version__}",
)
