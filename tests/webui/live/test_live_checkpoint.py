"""The engine `checkpoint` in a running WebUI, with whatever model is loaded there.

What the host makes without us before and after our runs tells whether they left a trace.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.webui.live.conftest import as_base64, as_pixels
from tests.webui.live.test_live_script import assert_same, inpainted

REPAINT = {
    "engine": "checkpoint",
    "steps": 2,
    "parts": ["hand", "face"],
    "gate": False,
    "judge": False,
}


@pytest.fixture(scope="module")
def photo(pixels):
    """Sides that the host need not round."""
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width])


@pytest.fixture(scope="module")
def refine(client, photo):
    """A function: refine with the loaded model, with more settings; the route's result."""
    inpainted(client, photo)  # Forge loads its model with the first picture

    def ask(controls=None, **more):
        settings = {**REPAINT, "seed": 3, **more}
        body = {"image": as_base64(photo), "settings": settings, **(controls or {})}
        status, answer = client.post("/realishuman/v1/refine", body)
        assert status == 200, answer
        return answer["results"][0]

    return ask


@pytest.fixture(scope="module")
def refined(refine):
    return refine()


def test_it_repaints_near_parts_only_and_the_report_names_the_model(client, refined, photo):
    outside = np.ones(photo.shape[:2], bool)
    for part in refined["report"]["parts"]:
        assert part["outcome"] == "refined" or part["reason"]
        if part["outcome"] == "refined":
            assert part["engine"] == "checkpoint"
            box = {side: max(int(value), 0) for side, value in part["crop"].items()}
            outside[box["y0"] : box["y1"], box["x0"] : box["x1"]] = False
    changed = (as_pixels(refined["image"]) != photo).any(axis=2)

    assert not changed[outside].any()
    assert changed.any()
    _, options = client.get("/sdapi/v1/options")
    names = set(refined["report"]["unets"].values())
    assert all(name in options["sd_model_checkpoint"] for name in names)


def test_the_same_seed_makes_the_same_pixels_and_another_does_not(refine, refined):
    assert refine()["image"] == refined["image"]
    assert refine(seed=4)["image"] != refined["image"]


def test_the_host_paints_afterwards_as_before_and_its_settings_stay(client, refine, photo):
    _, options = client.get("/sdapi/v1/options")
    (before,), _ = inpainted(client, photo)

    refine()
    repainted, _ = inpainted(client, photo, {"enabled": True, **REPAINT})
    (after,), _ = inpainted(client, photo)

    np.testing.assert_array_equal(after, before)
    assert (repainted[0] != before).any()
    assert client.get("/sdapi/v1/options")[1] == options
    _, progress = client.get("/sdapi/v1/progress?skip_current_image=true")
    assert (progress["progress"], progress["state"]["job_count"]) == (0, 0)


def test_a_lora_changes_what_it_repaints_and_nothing_afterwards(client, refine, photo):
    status, found = client.get("/sdapi/v1/loras")
    if status != 200 or not found:
        pytest.skip("the WebUI has no LoRA")
    run = {"enabled": True, **REPAINT}

    def repainted(prompt):
        (picture,), _ = inpainted(client, photo, run, prompt=prompt)
        return picture

    before = repainted("a hand")
    with_lora = repainted(f"a hand <lora:{found[0]['name']}:1>")

    assert (with_lora != before).any()
    assert_same(repainted("a hand"), before)


def test_a_controlnet_changes_what_is_repainted_and_nothing_afterwards(refine, refined):
    """With one for the loaded model: REALISHUMAN_WEBUI_CONTROLNET names it."""
    name = os.environ.get("REALISHUMAN_WEBUI_CONTROLNET")
    if not name:
        pytest.skip("REALISHUMAN_WEBUI_CONTROLNET names no depth ControlNet of the WebUI's")

    steered = refine(controls={"controlnet": name, "controlnet_weight": 1})
    without = refine(controls={"controlnet": name, "controlnet_weight": 0})
    missing = refine(controls={"controlnet": "missing_depth"})

    assert name in " ".join(steered["report"]["unets"].values())
    assert steered["image"] != refined["image"]
    assert without["image"] == refine()["image"] == refined["image"]
    for part in missing["report"]["parts"]:
        assert "There is no ControlNet missing_depth" in part["reason"]
        assert name in part["reason"]


@pytest.mark.parametrize("button", ["interrupt", "skip"])
def test_a_button_ends_it_and_the_picture_stays(client, photo, button):
    run = {"enabled": True, **REPAINT, "steps": 40}
    (untouched,), _ = inpainted(client, photo)

    with ThreadPoolExecutor() as pool:
        answer = pool.submit(inpainted, client, photo, run)
        while not answer.done() and not _is_repainting(client):
            time.sleep(0.2)
        client.post(f"/sdapi/v1/{button}", {})
        (picture,), (text,) = answer.result()

    assert "Interrupt or Skip was pressed" in text
    assert_same(picture, untouched)


def _is_repainting(client):
    _, progress = client.get("/sdapi/v1/progress?skip_current_image=true")
    return "stage " in (progress["textinfo"] or "")
