"""axe-core finds nothing wrong with the viewer; REALISHUMAN_AXE names its axe.min.js, from npm."""

from __future__ import annotations

import os

import pytest

AXE = os.environ.get("REALISHUMAN_AXE", "")


@pytest.mark.skipif(not AXE, reason="REALISHUMAN_AXE must name the file axe.min.js of axe-core")
def test_axe_finds_no_violation_before_and_after_refining(viewer):
    viewer.page.add_script_tag(path=AXE)
    run = "axe.run('#realishuman_viewer').then((found) => found.violations.map((one) => one.id))"

    for _ in range(2):
        viewer.page.click(".rh-name >> nth=0")
        for mode in ("Boxes", "Brush", "Look"):
            viewer.page.click(f".rh-tools button:text-is('{mode}') >> nth=0")
            assert viewer.page.evaluate(run) == []
        viewer.press("refine")
