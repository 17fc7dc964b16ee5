from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from realishuman.progress import Interrupted
from realishuman.webui.http import api
from realishuman.webui.http.api import Limits, RefusedError, detect, read_request, refine

SMALL = Limits(pictures=2, pixels=200_000, characters=2_000_000, boxes=3)
QUICK = {"parts": ["hand"], "steps": 1}


def as_base64(pixels, **options):
    content = BytesIO()
    Image.fromarray(pixels).save(content, options.pop("format", "PNG"), **options)
    return base64.b64encode(content.getvalue()).decode()


def pixels_of(text):
    return np.array(Image.open(BytesIO(base64.b64decode(text))))


@pytest.fixture
def body(picture):
    return {"image": as_base64(picture), "settings": dict(QUICK)}


def test_detect_lists_parts_with_their_boxes_and_can_draw_them(body, picture, engine_of, flat_hand):
    hand = flat_hand(210, 160, 100)

    (result,) = detect(read_request({**body, "draw": True}, SMALL), engine_of([hand]))["results"]

    (part,) = result["parts"]
    assert (result["width"], result["height"]) == (420, 300)
    assert (part["index"], part["kind"], part["side"]) == (1, "hand", "right")
    assert part["box"]["x0"] == pytest.approx(hand.box.x0)
    assert len(part["keypoints"]) == 21
    assert pixels_of(result["image"]).shape == picture.shape
    assert result["provider"] == "CPUExecutionProvider"


def test_refine_returns_the_picture_and_a_report(body, picture, engine_of, flat_hand):
    engine = engine_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])

    (result,) = refine(read_request({**body, "only": [2]}, SMALL), engine)["results"]

    assert [part["outcome"] for part in result["report"]["parts"]] == ["kept", "refined"]
    changed = (pixels_of(result["image"]) != picture).any(axis=2)
    assert changed[:, 250:].any()
    assert not changed[:, :190].any()


def test_detect_says_what_the_gate_says_and_only_overrules_it(
    body, engine_of, flat_hand, trained_pack, says
):
    engine = engine_of([flat_hand(210, 160, 100)], packs=(trained_pack,))
    engine.models().judge = lambda *_: says(0.01)
    body["settings"]["judge"] = False

    ((found,), (left,), (named,)) = (
        detect(read_request(body, SMALL), engine)["results"],
        refine(read_request(body, SMALL), engine)["results"],
        refine(read_request({**body, "only": [1]}, SMALL), engine)["results"],
    )

    assert "it looks right already" in found["parts"][0]["reason"]
    assert left["report"]["parts"][0]["reason"] == found["parts"][0]["reason"]
    assert named["report"]["parts"][0]["outcome"] == "refined"


def test_a_setting_of_an_earlier_version_is_refused_with_its_new_name(body):
    body["settings"]["skip_good"] = True

    with pytest.raises(RefusedError, match="skip_good is now gate") as refused:
        read_request(body, SMALL)

    assert refused.value.status == 422


def test_a_picture_keeps_its_alpha_and_its_text(picture, engine_of, flat_hand):
    from PIL import PngImagePlugin

    alpha = np.full((300, 420), 200, np.uint8)
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a hand\nSteps: 20")
    body = {"image": as_base64(np.dstack([picture, alpha]), pnginfo=text), "settings": QUICK}

    (result,) = refine(read_request(body, SMALL), engine_of([flat_hand(210, 160, 100)]))["results"]

    back = Image.open(BytesIO(base64.b64decode(result["image"])))
    assert back.mode == "RGBA"
    assert back.text["parameters"] == "a hand\nSteps: 20"
    np.testing.assert_array_equal(np.array(back)[..., 3], alpha)


def test_boxes_are_searched_in_place_of_the_picture(body, engine_of, flat_hand):
    engine = engine_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])
    body["boxes"] = [{"kind": "hand", "box": [220, 50, 400, 250]}]

    (result,) = detect(read_request(body, SMALL), engine)["results"]

    assert len(result["parts"]) == 1
    assert result["parts"][0]["box"]["x0"] > 220


def test_an_exact_box_is_a_part_of_that_place_size_and_side(body, engine_of):
    place = {"kind": "hand", "box": [220, 50, 300, 250]}
    body["boxes"] = [{**place, "side": "left", "exact": True}]

    (result,) = detect(read_request(body, SMALL), engine_of([]))["results"]

    [part] = result["parts"]
    assert list(part["box"].values()) == place["box"]
    assert (part["side"], part["score"]) == ("left", 0)
    assert "a left hand at rest was assumed" in part["note"]


def test_an_interrupt_answers_with_the_unchanged_picture(body, picture, engine_of, flat_hand):
    class Stop:
        def begin(self, stage, total):
            if "stage" in stage:
                raise Interrupted

        def step(self, count=1):
            pass

    engine = engine_of([flat_hand(210, 160, 100)])

    (result,) = refine(read_request(body, SMALL), engine, Stop())["results"]

    assert result["report"]["message"].startswith("Interrupted")
    np.testing.assert_array_equal(pixels_of(result["image"]), picture)


def test_a_data_address_is_taken_as_browsers_write_it(body):
    body["image"] = "data:image/png;base64," + body["image"]

    assert read_request(body, SMALL).pictures[0].rgb.shape == (300, 420, 3)


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"image": "/etc/passwd"}, 422, "image"),
        ({"image": "file:///etc/passwd"}, 422, "image"),
        ({"image": "http://127.0.0.1/x.png"}, 422, "image"),
        ({"image": ""}, 422, "image"),
        ({"image": 3}, 422, "image"),
        ({"image": base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0").decode()}, 422, "image"),
        ({"image": "A" * 2_000_001}, 413, "image"),
        ({"images": ["x"] * 3, "image": None}, 422, "image"),
        ({"settings": {"steps": 0}}, 422, "settings.steps"),
        ({"settings": {"steps": "ten"}}, 422, "settings.steps"),
        ({"settings": {"speed": 1}}, 422, "settings"),
        ({"settings": [1]}, 422, "settings"),
        ({"boxes": [{"kind": "foot", "box": [0, 0, 9, 9]}]}, 422, "boxes[0].kind"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, 9]}]}, 422, "boxes[0].box"),
        ({"boxes": [{"kind": "hand", "box": [9, 9, 0, 0]}]}, 422, "boxes[0].box"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, float("nan"), 9]}]}, 422, "boxes[0].box"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, 10**400, 9]}]}, 422, "boxes[0].box"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, 9, 9]}] * 4}, 413, "boxes"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, 9, 9], "side": "up"}]}, 422, "boxes[0].side"),
        ({"boxes": [{"kind": "hand", "box": [0, 0, 9, 9], "exact": 1}]}, 422, "boxes[0].exact"),
        ({"boxes": "hand"}, 422, "boxes"),
        ({"only": [0]}, 422, "only"),
        ({"only": [True]}, 422, "only"),
        ({"draw": "yes"}, 422, "draw"),
        ({"path": "/etc/passwd"}, 422, "path"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(body, change, status, field):
    with pytest.raises(RefusedError) as caught:
        read_request({**body, **change}, SMALL)

    assert (caught.value.status, caught.value.field) == (status, field)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(RefusedError, match=r"megapixels") as caught:
        read_request({"image": as_base64(np.zeros((500, 401), np.uint8))}, SMALL)

    assert caught.value.status == 413


def test_more_pictures_than_allowed_are_refused(body):
    with pytest.raises(RefusedError) as caught:
        read_request({"images": [body["image"]] * 3}, SMALL)

    assert (caught.value.status, caught.value.field) == (413, "images")


def test_the_message_on_a_setting_says_its_range(body):
    with pytest.raises(RefusedError, match=r"from 1 to 999"):
        read_request({**body, "settings": {"steps": 1000}}, SMALL)


def test_what_a_request_says_itself_counts_before_saved_settings():
    found = {"strength": 0.3, "tries": 2, "hand_pack": "mine", "detector_device": "cpu"}
    body = {"image": "", "saved": "x", "settings": {"strength": 0.9}, "hand_pack": "other"}

    full = api.with_saved(body, lambda name: found if name == "x" else {})

    assert full == {
        "image": "", "settings": {"strength": 0.9, "tries": 2}, "hand_pack": "other",
    }  # fmt: skip
    assert api.with_saved({"image": ""}, None) == {"image": ""}
    assert api.with_saved({"saved": "x"}, lambda _: found)["settings"] == {
        "strength": 0.3, "tries": 2,
    }  # fmt: skip
    assert api.with_saved({"saved": "x", "settings": 3}, lambda _: found)["settings"] == 3
