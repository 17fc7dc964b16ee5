"""What API clients send, and Extras."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((True, ["hand"], "auto", "auto", "embedded", 7.0), "confidence"),
        (({"steps": 0},), "steps"),
        ((True, {"unknown": 1}), "unknown"),
        (({"saved": "nobody's"},), "saved"),
        ((True, *[None] * 9, 1.1), "margin"),  # what stood for none in earlier versions
        (({"enabled": False, "margin": 99},), "margin"),
        (({"face_pack": "missing.safetensors"},), "face_pack"),
        (tuple('{"enabled": true}'), "args"),  # as hosts take a text in place of a list
        (tuple("on"), "enabled"),
    ],
)
def test_a_wrong_argument_ends_the_request_with_422_field_and_range(
    arguments, name, host, generation, painting
):
    p = generation(*arguments, is_api=True)
    with pytest.raises(host.HTTPException) as caught:
        host.process_images(p)

    detail = caught.value.detail
    assert caught.value.status_code == 422
    assert detail["field"] == name
    assert name in detail["message"]
    assert detail["allowed"]
    assert painting.calls == []


def test_right_arguments_by_name_are_used(host, generation, painting):
    p = generation({"steps": 9, "parts": ["hand"], "hand_pack": "mine.safetensors"}, is_api=True)
    host.process_images(p)

    settings, packs, device = painting.calls[0]
    assert (settings.steps, settings.parts) == (9, ("hand",))
    assert packs == {"hand": "mine.safetensors", "face": "auto"}
    assert device == "auto"


def test_saved_settings_may_be_named(host, ours, generation, painting):
    rest = [one.value for one in ours.components[1:]]  # hosts fill up with them
    host.process_images(generation({"saved": "subtle", "steps": 9}, *rest, is_api=True))

    settings = painting.calls[0][0]
    assert (settings.engine, settings.strength, settings.steps) == ("checkpoint", 0.3, 9)


def test_a_request_that_does_not_mention_us_is_left_alone(host, ours, painting):
    """The host then sends the components' values, or None for each."""
    for arguments in ([one.value for one in ours.components], [None] * 28, []):
        host.process_images(host.P(ours, arguments, is_api=True))

    assert painting.calls == []


def test_on_the_page_a_wrong_value_does_not_cost_the_picture(host, generation, painting):
    p = generation({"steps": 0}, batch_size=1, n_iter=1)
    done = host.process_images(p)

    assert np.array_equal(done.images[0], host.picture(0))
    assert "steps must be" in done.infotexts[1]["RealisHuman result"]


@pytest.fixture
def extras(loaded, painting):
    made = loaded.RealisHumanPostprocessing()
    made.components = made.ui()
    return made


def extra(host):
    pp = host.Pp(host.picture(1))
    pp.info = {}
    return pp


def test_extras_refine_a_picture_and_say_what_was_done(extras, host, square):
    pp = extra(host)
    values = {name: one.value for name, one in extras.components.items()}
    extras.process(pp, **{**values, "enabled": True, "seed_offset": 3})

    assert square(pp.image, host.picture(1)) == (64, 64)
    assert pp.image.getpixel((8, 8)) == (3, 3, 3)
    assert pp.info["RealisHuman result"] == "1 of 2 parts refined."
    assert pp.info["RealisHuman seed offset"] == "3"


def test_extras_do_nothing_unless_ticked_or_when_a_request_names_nothing(extras, host, painting):
    for values in ({"enabled": False}, {}, dict.fromkeys(extras.components)):
        pp = extra(host)
        extras.process(pp, **values)
        assert pp.info == {}

    assert painting.calls == []


def test_extras_keep_the_picture_when_something_fails(extras, host, painting, shared):
    def fail():
        raise RuntimeError("no memory")

    painting.fails = ("stage one", 0, fail)
    shared.state.job_count = 1
    pp = extra(host)
    extras.process(pp, enabled=True)

    assert np.array_equal(pp.image, host.picture(1))
    assert "no memory" in pp.info["RealisHuman result"]
    assert shared.state.job_count == 1 + shared.state.job_no
