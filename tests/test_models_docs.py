"""docs/models.md says what the list of model files says."""

from __future__ import annotations

from realishuman.downloads.manifest import manifest
from tools.model_table import PAGE, written


def test_the_table_of_files_is_the_list():
    text = PAGE.read_text("utf-8")

    assert text == written(text), "run python tools/model_table.py"


def test_every_feature_is_explained():
    text = PAGE.read_text("utf-8")

    for feature in manifest().features.values():
        assert f"| `{feature.name}` | {feature.gives} | {feature.without} |" in text
