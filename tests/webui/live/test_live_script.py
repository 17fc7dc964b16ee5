"""The always-on script of a running WebUI, on a photograph of which a corner is inpainted.

A few pixels are masked, and weakly, so that our script gets the photograph but for those. What the
loaded checkpoint paints there is another thing for each seed, and may be for each shape of a batch:
pictures are compared outside of them, and with what the host makes without us.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.webui.live.conftest import PACK, as_base64, as_pixels

SEED = 11
PLACE = slice(60, 68)  # rows and columns that are inpainted
RUN = {"steps": 2, "hand_pack": PACK, "inpaint_parts": "all"}


def request(pixels, arguments=None, **more):
    """The body of an img2img request; `arguments` are our script's."""
    mask = np.zeros_like(pixels)
    mask[PLACE, PLACE] = 1  # of 255
    body = {
        "init_images": [as_base64(pixels)],
        "mask": as_base64(mask),
        "mask_blur": 0,
        "inpainting_fill": 1,
        "inpaint_full_res": True,  # so that only the masked place is sampled, at 64 pixels
        "inpaint_full_res_padding": 8,
        "denoising_strength": 0.3,
        "prompt": "a person",
        "steps": 4,
        "cfg_scale": 1,
        "sampler_name": "Euler",
        "seed": SEED,
        "width": 64,
        "height": 64,
        "save_images": False,
        "do_not_save_grid": True,
        **more,
    }
    if arguments is not None:
        body["alwayson_scripts"] = {"RealisHuman": {"args": [{**RUN, **arguments}]}}
    return body


def inpainted(client, pixels, arguments=None, **more):
    """Pictures, and the infotext of each."""
    status, answer = client.post("/sdapi/v1/img2img", request(pixels, arguments, **more))
    assert status == 200, answer
    texts = json.loads(answer["info"])["infotexts"]
    count = more.get("batch_size", 1) * more.get("n_iter", 1)
    return [as_pixels(image) for image in answer["images"][-count:]], texts[-count:]


def assert_same(one, other):
    """But for the place that is inpainted."""
    one, other = one.copy(), other.copy()
    one[PLACE, PLACE] = other[PLACE, PLACE] = 0
    np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def photo(pixels):
    """Sides that the host need not round."""
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width])


@pytest.fixture(scope="module")
def untouched(client, photo):
    return inpainted(client, photo)


@pytest.fixture(scope="module")
def alone(client, photo):
    """The refined picture and its infotext by seed, each made by a request of its own."""
    made = {}
    for seed in (SEED, SEED + 1):
        (picture,), (text,) = inpainted(client, photo, {"enabled": True}, seed=seed)
        made[seed] = picture, text
    return made


def test_switched_off_it_leaves_no_trace(photo, untouched):
    (picture,), (text,) = untouched

    assert_same(picture, photo)
    assert "RealisHuman" not in text


def test_pixels_change_near_found_parts_only_and_infotext_tells_of_them(client, photo, alone):
    picture, text = alone[SEED]
    _, answer = client.post("/realishuman/v1/detect", {"image": as_base64(photo)})
    outside = np.ones(photo.shape[:2], bool)
    for part in answer["results"][0]["parts"]:
        box = part["box"]
        # what may change lies in the square around the part, twice as long as the part
        side = max(box["x1"] - box["x0"], box["y1"] - box["y0"])
        (x, y) = (box["x0"] + box["x1"]) / 2, (box["y0"] + box["y1"]) / 2
        rows, columns = (slice(max(int(c - side), 0), int(c + side) + 1) for c in (y, x))
        outside[rows, columns] = False
    outside[PLACE, PLACE] = False
    changed = (photo != picture).any(axis=2)

    assert not changed[outside].any()
    changed[PLACE, PLACE] = False
    assert changed.any() or " 0 of " in text
    assert "RealisHuman enabled: True" in text
    assert "RealisHuman found: " in text


def test_the_same_seed_makes_the_same_pixels(client, photo, alone):
    again, _ = inpainted(client, photo, {"enabled": True})

    assert_same(again[0], alone[SEED][0])


def test_the_script_makes_what_the_route_makes(client, untouched, alone):
    settings = {"steps": 2, "seed": SEED}
    (given,), _ = untouched
    body = {"image": as_base64(given), "settings": settings, "hand_pack": PACK}

    _, answer = client.post("/realishuman/v1/refine", body)

    assert_same(as_pixels(answer["results"][0]["image"]), alone[SEED][0])


@pytest.mark.parametrize("shape", [{"batch_size": 2}, {"n_iter": 2}])
def test_each_picture_of_a_batch_is_as_if_made_alone(client, photo, alone, shape):
    pictures, texts = inpainted(client, photo, {"enabled": True}, **shape)

    for number, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        assert f"Seed: {SEED + number}" in text
        assert "RealisHuman found: " in text
        assert_same(picture, alone[SEED + number][0])


def test_requests_that_wait_in_the_queue_do_not_disturb_a_batch(client, photo, alone):
    settings = {"steps": 2, "seed": 3}
    route = {"image": as_base64(photo[:, ::-1]), "settings": settings, "hand_pack": PACK}

    with ThreadPoolExecutor() as pool:
        batch = pool.submit(inpainted, client, photo, {"enabled": True}, batch_size=2)
        other = pool.submit(client.post, "/realishuman/v1/refine", route)
        plain = pool.submit(inpainted, client, photo)
        single = pool.submit(inpainted, client, photo, {"enabled": True}, seed=SEED + 1)
        pictures = [*batch.result()[0], *single.result()[0]]

    assert other.result()[0] == 200
    assert_same(plain.result()[0][0], photo)
    for picture, seed in zip(pictures, (SEED, SEED + 1, SEED + 1), strict=True):
        assert_same(picture, alone[seed][0])


@pytest.mark.parametrize("full", [True, False], ids=["only masked", "whole picture"])
@pytest.mark.parametrize(("inverted", "touched"), [(False, False), (True, True)])
def test_only_parts_that_the_mask_touches_are_refined(client, photo, full, inverted, touched):
    """The corner touches no part; inverted, everything but a place touches all, but weakly."""
    photo = np.ascontiguousarray(photo[::2, ::2])  # all of it is sampled
    height, width = (side // 8 * 8 for side in photo.shape[:2])
    photo = photo[:height, :width]
    mask = np.full_like(photo, 254 if inverted else 0)
    if inverted:
        mask[PLACE, PLACE] = 255
    else:
        mask[:8, :8] = 255  # a weaker one would be blurred away, and then hosts differ
    more = {"inpaint_full_res": full, "mask_blur": 4, "width": width, "height": height}
    more |= {"mask": as_base64(mask), "inpainting_mask_invert": int(inverted)}
    _, (text,) = inpainted(client, photo, {"enabled": True, "inpaint_parts": "masked"}, **more)

    assert "RealisHuman found: " in text
    assert ("the inpaint mask does not touch it" in text) is not touched


def test_infotext_says_which_unets_ran(alone):
    _, text = alone[SEED]
    refined = "RealisHuman unets: hand: " in text or 'RealisHuman unets: "hand: ' in text

    assert refined or " 0 of " in text


def test_a_wrong_value_is_refused_with_its_field_and_range(client, photo):
    status, answer = client.post("/sdapi/v1/img2img", request(photo, {"enabled": True, "steps": 0}))

    assert status == 422
    assert answer["detail"]["field"] == "steps"
    assert "1 to 999" in answer["detail"]["allowed"]


def grid(client, axis, values):
    """The arguments of the host's X/Y/Z plot with one of our axes."""
    _, known = client.get("/sdapi/v1/script-info")
    plot = next(one for one in known if one["name"] == "x/y/z plot" and one["is_img2img"])
    arguments = [argument["value"] for argument in plot["args"]]
    arguments[0] = plot["args"][0]["choices"].index(f"[RealisHuman] {axis}")
    nothing = plot["args"][3]["choices"].index("Nothing")
    arguments[1], arguments[2], arguments[3], arguments[6] = values, [values], nothing, nothing
    return {"script_name": "x/y/z plot", "script_args": arguments}


def test_a_grid_varies_a_setting(client, photo, alone):
    body = request(photo, {"enabled": True}, **grid(client, "Seed offset", "0,1"))

    status, answer = client.post("/sdapi/v1/img2img", body)

    assert status == 200, answer
    texts = json.loads(answer["info"])["infotexts"]
    assert any("RealisHuman seed offset: 1" in text for text in texts)


@pytest.mark.parametrize(
    ("axis", "values", "field", "allowed"),
    [
        ("Steps", "2,0", "steps", "1 to 999, or null"),
        ("Steps", "2,many", "steps", "1 to 999, or null"),
        ("Guidance", "1.5,high", "guidance", "1.0 to 20.0, or null"),
        ("Hand pack", "missing.safetensors", "hand_pack", "auto, "),
    ],
)
def test_a_wrong_value_on_an_axis_is_refused_likewise(client, photo, axis, values, field, allowed):
    body = request(photo, {"enabled": True}, **grid(client, axis, values))

    status, answer = client.post("/sdapi/v1/img2img", body)

    assert status == 422, answer
    assert answer["detail"]["field"] == field
    assert allowed in answer["detail"]["allowed"]
