"""The routes of a running WebUI."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.webui.live.conftest import PACK, as_base64, as_pixels

PREFIX = "/realishuman/v1"
QUICK = {"settings": {"steps": 2, "seed": 3}, "hand_pack": PACK}


@pytest.fixture(scope="module")
def found(client, pixels):
    status, answer = client.post(f"{PREFIX}/detect", {"image": as_base64(pixels), "draw": True})
    assert status == 200, answer
    return answer["results"][0]


@pytest.fixture(scope="module")
def refined(client, pixels):
    body = {"image": as_base64(pixels), **QUICK}
    status, answer = client.post(f"{PREFIX}/refine", body)
    assert status == 200, answer
    return answer["results"][0]


@pytest.mark.parametrize("name", ["version", "schema", "models", "doctor"])
def test_what_can_be_asked_is_answered(client, name):
    status, answer = client.get(f"{PREFIX}/{name}")

    assert status == 200
    assert answer


def test_the_host_lists_the_script_once_per_tab(client):
    _, scripts = client.get("/sdapi/v1/scripts")

    assert [name.lower() for name in scripts["txt2img"]].count("realishuman") == 1
    assert [name.lower() for name in scripts["img2img"]].count("realishuman") == 1


def test_parts_are_found_and_drawn(found, pixels):
    assert found["parts"]
    assert "ExecutionProvider" in found["provider"]
    assert (as_pixels(found["image"]) != pixels).any()


def test_pixels_change_near_refined_parts_only(refined, pixels):
    outside = np.ones(pixels.shape[:2], bool)
    for part in refined["report"]["parts"]:
        if part["outcome"] == "refined":
            box = {side: int(value) for side, value in part["crop"].items()}
            rows = slice(max(box["y0"], 0), box["y1"])
            outside[rows, max(box["x0"], 0) : box["x1"]] = False
    changed = (as_pixels(refined["image"]) != pixels).any(axis=2)

    assert not changed[outside].any()
    for part in refined["report"]["parts"]:
        assert part["outcome"] == "refined" or part["reason"]
    assert changed.any() or not any(
        part["outcome"] == "refined" for part in refined["report"]["parts"]
    )


def test_the_same_request_makes_the_same_pixels(client, refined, pixels):
    body = {"image": as_base64(pixels), **QUICK}

    _, again = client.post(f"{PREFIX}/refine", body)

    assert again["results"][0]["image"] == refined["image"]


def test_only_the_named_part_is_refined(client, found, pixels):
    body = {"image": as_base64(pixels), **QUICK, "only": [1]}

    _, answer = client.post(f"{PREFIX}/refine", body)

    others = answer["results"][0]["report"]["parts"][1:]
    assert all(part["outcome"] == "kept" for part in others)


def test_two_requests_at_once_do_not_disturb_each_other(client, pixels, refined):
    body = {"image": as_base64(pixels), **QUICK}
    other = {"image": as_base64(pixels[:, ::-1]), **QUICK}

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda b: client.post(f"{PREFIX}/refine", b), (body, other, body)))

    assert [status for status, _ in answers] == [200] * 3
    for _, answer in (answers[0], answers[2]):
        assert answer["results"][0]["image"] == refined["image"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"image": "/etc/hostname"}, 422, "image"),
        ({"image": "http://127.0.0.1/"}, 422, "image"),
        ({}, 422, "image"),
        ({"settings": {"steps": 0}}, 422, "settings.steps"),
        ({"settings": {"nothing": 1}}, 422, "settings"),
        ({"saved": "nobody's"}, 422, "saved"),
        ({"boxes": [{"kind": "hand", "box": [9, 9, 1, 1]}]}, 422, "boxes[0].box"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, 9, 9]}] * 1000}, 413, "boxes"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field(client, pixels, body, status, field):
    picture = {} if "image" in body or not body else {"image": as_base64(pixels)}

    answer = client.post(f"{PREFIX}/refine", {**picture, **body})

    assert answer[0] == status
    assert answer[1]["detail"]["field"] == field


@pytest.mark.parametrize(
    "arguments", [{"steps": 0}, {"no such setting": 1}, {"parts": ["foot"]}, {"dilate": "wide"}]
)
def test_the_script_refuses_what_cannot_be_used(client, arguments):
    body = {
        "prompt": "x",
        "steps": 1,
        "width": 64,
        "height": 64,
        "alwayson_scripts": {"RealisHuman": {"args": [{"enabled": True, **arguments}]}},
    }

    status, answer = client.post("/sdapi/v1/txt2img", body)

    assert status == 422, answer


def test_a_body_that_is_no_json_is_refused(client):
    assert client.post(f"{PREFIX}/refine", b"no json")[0] == 422


def test_saved_settings_count_in_a_generation(client):
    body = {
        "prompt": "x",
        "steps": 1,
        "width": 64,
        "height": 64,
        "alwayson_scripts": {"RealisHuman": {"args": [{"enabled": True, "saved": "subtle"}]}},
    }

    status, answer = client.post("/sdapi/v1/txt2img", body)

    assert status == 200, answer
    assert "RealisHuman engine: checkpoint, RealisHuman strength: 0.3" in answer["info"]
