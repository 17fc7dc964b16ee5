"""The always-on script of a running WebUI, on a photograph that inpainting leaves as it is.

Only a corner is masked: whatever the loaded checkpoint paints there, the rest is the photograph.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.webui.live.conftest import as_base64, as_pixels

CORNER = 128  # pixels


def inpainted(client, pixels, arguments=None, **more):
    """Pictures, and the infotext of each."""
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    mask = np.zeros((height, width, 3), np.uint8)
    mask[:CORNER, :CORNER] = 255
    body = {
        "init_images": [as_base64(pixels[:height, :width])],
        "mask": as_base64(mask),
        "mask_blur": 0,
        "inpainting_fill": 1,
        "inpaint_full_res": True,  # so that only the corner is sampled, at 64 pixels
        "inpaint_full_res_padding": 8,
        "denoising_strength": 0.3,
        "prompt": "a person",
        "steps": 4,
        "cfg_scale": 1,
        "sampler_name": "Euler",
        "seed": 11,
        "width": 64,
        "height": 64,
        "save_images": False,
        "do_not_save_grid": True,
        **more,
    }
    if arguments is not None:
        body["alwayson_scripts"] = {"RealisHuman": {"args": [{"steps": 2, **arguments}]}}
    status, answer = client.post("/sdapi/v1/img2img", body)
    assert status == 200, answer
    texts = json.loads(answer["info"])["infotexts"]
    count = more.get("batch_size", 1)
    return [as_pixels(image) for image in answer["images"][-count:]], texts[-count:]


@pytest.fixture(scope="module")
def untouched(client, pixels):
    return inpainted(client, pixels)


@pytest.fixture(scope="module")
def refined(client, pixels):
    return inpainted(client, pixels, {"enabled": True})


def test_switched_off_it_leaves_no_trace(untouched):
    assert "RealisHuman" not in untouched[1][0]


def test_pixels_change_near_found_parts_only_and_infotext_tells_of_them(client, untouched, refined):
    (before,), (after,) = untouched[0], refined[0]
    _, answer = client.post("/realishuman/v1/detect", {"image": as_base64(before)})
    outside = np.ones(before.shape[:2], bool)
    outside[:CORNER, :CORNER] = False  # hosts differ there by a grey level from run to run
    for part in answer["results"][0]["parts"]:
        box = part["box"]
        # what may change lies in the square around the part, twice as long as the part
        side = max(box["x1"] - box["x0"], box["y1"] - box["y0"])
        (x, y) = (box["x0"] + box["x1"]) / 2, (box["y0"] + box["y1"]) / 2
        rows, columns = (slice(max(int(c - side), 0), int(c + side) + 1) for c in (y, x))
        outside[rows, columns] = False

    assert not (before != after).any(axis=2)[outside].any()
    assert "RealisHuman enabled: True" in refined[1][0]
    assert "RealisHuman found: " in refined[1][0]


def test_the_same_seed_makes_the_same_pixels(client, pixels, refined):
    again, _ = inpainted(client, pixels, {"enabled": True})

    np.testing.assert_array_equal(again[0][CORNER:, CORNER:], refined[0][0][CORNER:, CORNER:])


def test_each_picture_of_a_batch_has_its_own_seed_and_facts(client, pixels, refined):
    pictures, texts = inpainted(client, pixels, {"enabled": True}, batch_size=2)

    for number, text in enumerate(texts):
        assert f"Seed: {11 + number}" in text
        assert "RealisHuman found: " in text
    np.testing.assert_array_equal(pictures[0][CORNER:, CORNER:], refined[0][0][CORNER:, CORNER:])


def test_a_wrong_value_is_refused_with_its_field_and_range(client):
    body = {
        "prompt": "x",
        "steps": 1,
        "width": 64,
        "height": 64,
        "alwayson_scripts": {"RealisHuman": {"args": [{"enabled": True, "steps": 0}]}},
    }

    status, answer = client.post("/sdapi/v1/txt2img", body)

    assert status == 422
    assert answer["detail"]["field"] == "steps"
    assert "1 to 999" in answer["detail"]["allowed"]
