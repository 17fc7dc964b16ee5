from __future__ import annotations

import logging
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from realishuman.errors import PackError
from realishuman.imaging.handed import pixels_of
from realishuman.parts.origin import Origin
from realishuman.webui.generation import saving
from realishuman.webui.generation.infotext import fact
from realishuman.webui.generation.job import JOB
from realishuman.webui.generation.script import AXES


def test_each_picture_of_two_batches_of_two_is_refined_with_its_own_seed(
    host, generation, painting, square
):
    done = host.process_images(generation())

    assert [settings.seed for settings, _, _ in painting.calls] == [100, 101, 102, 103]
    for number, image in enumerate(done.images):
        assert square(image, host.picture(number)) == (64, 64)
        assert image.getpixel((8, 8)) == (100 + number,) * 3


def test_every_picture_has_its_own_facts_and_the_grid_none(host, generation, painting):
    def change(p):
        painting.parts = 0 if (p.iteration, p.batch_index) in ((0, 1), (1, 0)) else 1

    done = host.process_images(generation(), before_hook=change)
    grid, *texts = done.infotexts

    results = [text["RealisHuman result"] for text in texts]
    assert results == [
        "1 of 2 parts refined.", "No part was found.", "No part was found.",
        "1 of 2 parts refined.",
    ]  # fmt: skip
    assert texts[0]["RealisHuman unets"] == "hand: own"
    assert texts[0]["RealisHuman found"] == (
        "1 right hand refined; 2 face kept: This face is too small."
    )
    assert texts[0]["RealisHuman provider"] == "CPUExecutionProvider"
    assert "RealisHuman result" not in grid
    assert grid["RealisHuman enabled"] == "True"


def test_switched_off_nothing_happens(host, generation, painting):
    p = generation(enabled=False)
    done = host.process_images(p)

    assert painting.calls == []
    assert vars(p)[JOB] is None
    assert not any(key.startswith("RealisHuman") for key in done.infotexts[1])


def test_a_picture_without_parts_stays_the_very_same_object(host, ours, painting, generation):
    painting.parts = 0
    p = generation(batch_size=1, n_iter=1)
    p.setup_prompts()
    p.seeds = p.all_seeds
    p.call("process")
    pp = host.Pp(image := host.picture(1))
    p.call("postprocess_image_after_composite", pp)

    assert pp.image is image


@pytest.mark.parametrize("stage", ["stage one", "stage two"])
@pytest.mark.parametrize(
    "error",
    [PackError("the pack is damaged."), RuntimeError("CUDA out of memory\nmore"), KeyError()],
)
def test_whatever_fails_the_picture_stays_and_one_sentence_says_why(
    stage, error, host, generation, painting, shared, caplog
):
    def fail():
        raise error

    painting.fails = (stage, 2, fail)
    p = generation(batch_size=1, n_iter=1)
    with caplog.at_level(logging.WARNING):
        done = host.process_images(p)

    sentence = done.infotexts[1]["RealisHuman result"]
    assert np.array_equal(done.images[0], host.picture(0))
    assert sentence.startswith("Not refined: ")
    assert str(error).splitlines()[:1] in ([], [sentence.split(": ")[-1]]) or "KeyError" in sentence
    assert len(caplog.records) == 1
    assert len(p.comments) == 1
    assert "SWALLOWED" not in p.comments[0]
    assert shared.state.textinfo is None
    assert shared.state.job_count == shared.state.job_no > 0


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("/home/ann b/models/x.safetensors: damaged.", "x.safetensors: damaged."),
        (r"C:\Users\Ann B\models\x.safetensors: damaged.", "x.safetensors: damaged."),
        ("No pack in /home/ann/models; there: a.safetensors.", "No pack in models; there: a.safe"),
        ("Fetch https://example.org/a/b by hand.", "Fetch https://example.org/a/b by hand."),
        ("hands and/or faces, 1/2", "hands and/or faces, 1/2"),
    ],
)
def test_a_picture_is_not_saved_with_names_of_folders(message, said, host, generation, painting):
    def fail():
        raise PackError(message)

    painting.fails = ("stage one", 0, fail)
    done = host.process_images(generation(batch_size=1, n_iter=1))

    assert done.infotexts[1]["RealisHuman result"].startswith(f"Not refined: {said}")


@pytest.mark.parametrize("stage", ["stage one", "stage two"])
def test_an_interrupt_at_any_step_returns_the_picture_as_it_was(
    stage, host, generation, painting, shared
):
    def press():
        shared.state.interrupted = True

    painting.fails = (stage, 1, press)
    done = host.process_images(generation())

    assert len(done.images) == 2  # the batch in hand; the host begins no other
    for number, image in enumerate(done.images):
        assert np.array_equal(image, host.picture(number))
    assert "Interrupt" in done.infotexts[1]["RealisHuman result"]
    assert len(painting.calls) == 1
    assert shared.state.textinfo is None


def test_skip_leaves_the_rest_of_the_batch_alone_and_goes_on_with_the_next(
    host, generation, painting, shared, square
):
    painting.fails = ("stage one", 1, lambda: setattr(shared.state, "skipped", True))

    def once(p):
        if p.iteration:
            painting.fails = None

    done = host.process_images(generation(), before_hook=once)

    changed = [square(image, host.picture(n))[0] for n, image in enumerate(done.images)]
    assert changed == [0, 0, 64, 64]


def test_the_hosts_own_interrupt_passes_through_and_leaves_the_bar_right(
    host, generation, painting, shared
):
    def stop():
        raise host.InterruptedException

    painting.fails = ("stage two", 1, stop)
    shared.state.current_latent = "the host's"
    with pytest.raises(host.InterruptedException):
        host.process_images(generation())

    assert shared.state.current_latent == "the host's"
    assert shared.state.textinfo is None


def test_the_bar_only_moves_forward_and_ends_full(host, generation, painting, shared, monkeypatch):
    seen = []
    nextjob, original = shared.state.nextjob, painting.refine

    def watched():
        nextjob()
        seen.append(shared.state.bar())

    def refine(*given, **named):
        seen.append(shared.state.bar())
        return original(*given, **named)

    monkeypatch.setattr(shared.state, "nextjob", watched)
    monkeypatch.setattr(painting, "refine", refine)
    host.process_images(generation())

    assert seen == sorted(seen)
    assert shared.state.job_no == shared.state.job_count


def test_another_extensions_inner_runs_are_left_alone(host, generation, painting):
    p = generation()
    p._ad_inner = True
    host.process_images(p)

    assert painting.calls == []


def test_a_job_for_which_adetailer_switched_itself_off_is_ours_all_the_same(
    host, generation, painting
):
    p = generation()
    p._ad_disabled = True  # on the user's own job, say with an empty inpaint mask
    host.process_images(p)

    assert len(painting.calls) == 4


def test_a_pretended_end_and_begin_in_the_middle_changes_nothing(host, generation, painting):
    plain = host.process_images(generation())
    calls, painting.calls = painting.calls, []
    shared = sys.modules["modules.shared"]
    shared.state = host.State()

    disturbed = host.process_images(generation(), before_hook=host.as_adetailer)

    assert painting.calls == calls
    assert disturbed.infotexts == plain.infotexts
    assert shared.state.job_no == shared.state.job_count
    for one, other in zip(plain.images, disturbed.images, strict=True):
        assert np.array_equal(one, other)


def test_axes_of_a_grid_lie_over_the_arguments_and_may_switch_on(host, generation, painting):
    p = generation(enabled=False, batch_size=1, n_iter=1)
    setattr(p, AXES, {"enabled": "True", "steps": 7, "seed_offset": 5})
    done = host.process_images(p)

    [(settings, _, _)] = painting.calls
    assert (settings.steps, settings.seed) == (7, 105)
    assert done.infotexts[1]["RealisHuman steps"] == "7"


def test_older_hosts_without_the_later_hook_refine_in_the_earlier_one(
    host, generation, painting, monkeypatch, square
):
    monkeypatch.delattr(host.Script, "postprocess_image_after_composite")
    p = generation(batch_size=1, n_iter=1)
    p.setup_prompts()
    p.seeds = p.all_seeds
    p.call("process")
    pp = host.Pp(host.picture(0))
    p.call("postprocess_image", pp)

    assert square(pp.image, host.picture(0)) == (64, 64)


def test_intermediates_are_saved_under_the_name_of_the_picture(
    host, generation, painting, shared, tmp_path
):
    shared.opts.data["realishuman_save"] = ["before", "pose"]
    callback = sys.modules["modules.script_callbacks"].registered["on_image_saved"][0]
    assert callback is saving.on_image_saved

    def save(p, image, name):
        image.save(tmp_path / name)
        parameters = type("Saved", (), {"p": p, "image": image, "filename": str(tmp_path / name)})
        callback(parameters)

    host.process_images(generation(n_iter=1), save=save)

    names = sorted(path.name for path in (tmp_path / "realishuman").iterdir())
    assert names == [
        "00000-100-1-hand-2-pose.png", "00000-100-before.png",
        "00001-101-1-hand-2-pose.png", "00001-101-before.png",
    ]  # fmt: skip


@pytest.mark.parametrize(("weights", "saved"), [("demo", 1), ("random", 1), ("trained", 0)])
def test_the_picture_as_it_was_is_saved_where_the_weights_may_spoil_it(
    weights, saved, host, generation, painting, tmp_path
):
    painting.weights = weights
    callback = sys.modules["modules.script_callbacks"].registered["on_image_saved"][0]

    def save(p, image, name):
        callback(type("Saved", (), {"p": p, "image": image, "filename": str(tmp_path / name)}))

    host.process_images(generation(n_iter=1, batch_size=1), save=save)

    files = list(tmp_path.rglob("*-before.png"))
    assert len(files) == saved
    for file in files:
        assert np.array_equal(Image.open(file), host.picture(0))


def test_what_a_result_notes_is_said_once_a_job_without_folders(host, generation, painting, caplog):
    painting.notes = ("No trained pack.", "Skipped: /home/ann/models/x.safetensors is cut.")
    p = generation()
    with caplog.at_level(logging.WARNING):
        host.process_images(p)

    assert p.comments == [
        "RealisHuman: No trained pack.", "RealisHuman: Skipped: x.safetensors is cut.",
    ]  # fmt: skip
    assert len(caplog.records) == 2


def test_networks_are_let_go_of_after_a_job_only_if_the_user_wants(
    host, generation, painting, shared
):
    host.process_images(generation(n_iter=1))
    assert painting.released == 0

    shared.opts.data["realishuman_keep_loaded"] = False
    host.process_images(generation(n_iter=1))
    assert painting.released == 1


def test_facts_are_asked_for_by_place_in_the_batch_or_in_the_job(host):
    p = host.P(None, [], batch_size=2, n_iter=2)
    p.setup_prompts()
    p.iteration, p.seeds = 1, p.all_seeds[2:]
    result = fact("result", {number: {"result": str(number)} for number in range(3)})

    assert result(p=p, index=0, all_seeds=p.seeds, other=1) == "2"
    assert result(p=p, index=1, all_seeds=p.all_seeds) == "1"
    assert result(p=p, index=1, all_seeds=p.seeds) is None  # not made yet
    assert result(p=p, index=0, all_seeds=p.all_seeds, use_main_prompt=True) is None


@pytest.mark.parametrize("mode", ["LA", "P", "L", "CMYK", "I;16"])
def test_a_picture_of_any_mode_comes_back_with_its_alpha_and_can_be_saved(
    mode, host, generation, painting, monkeypatch
):
    image = Image.new("RGBA", (64, 64), (60, 60, 90, 128))
    if mode == "P":
        image = Image.new("P", (64, 64), 3)
        image.putpalette(list(range(256)) * 3)
        image.info["transparency"] = 3
    elif mode == "I;16":
        image = Image.fromarray(np.full((64, 64), 30_000, np.uint16))
    else:
        image = image.convert("RGB" if mode == "CMYK" else "RGBA").convert(mode)
    before = pixels_of(image)
    monkeypatch.setattr(host, "picture", lambda number: image.copy())

    [refined] = host.process_images(generation(batch_size=1, n_iter=1)).images

    after = pixels_of(refined)
    assert refined.mode == ("RGBA" if mode in ("LA", "P") else mode)
    assert "transparency" not in refined.info
    assert after.shape == before.shape
    np.testing.assert_array_equal(after[20:], before[20:])
    assert (after[8:16, 8:16, :3] != before[8:16, 8:16, :3]).any()
    if mode != "CMYK":
        refined.save(BytesIO(), "PNG")


def test_axes_of_a_grid_without_the_box_ticked_say_that_they_change_nothing(host, generation):
    p = generation(enabled=False)
    setattr(p, AXES, {"steps": 3})

    host.process_images(p)

    assert any("RealisHuman refine is not ticked" in one for one in p.comments)


def test_an_axis_that_switches_us_off_is_no_mistake(host, generation):
    p = generation(enabled=False)
    setattr(p, AXES, {"steps": 3, "enabled": False})

    host.process_images(p)

    assert p.comments == []


class Console:
    """The host's bar in the console, whose total is reckoned when it is first moved."""

    def __init__(self, state, begun=None):
        self.state, self._tqdm, self.total = state, begun, None

    def updateTotal(self, total):  # noqa: N802 - its name
        self.total = total


def test_the_consoles_bar_counts_the_hosts_steps_alone(host, shared, generation):
    shared.total_tqdm = Console(shared.state)
    p = generation(n_iter=3)
    p.steps = 4

    host.process_images(p)

    assert shared.total_tqdm.total == 3 * 4


def test_a_total_that_a_grid_has_set_stays(host, shared, generation):
    shared.total_tqdm = Console(shared.state, begun=object())
    p = generation()
    p.steps = 4

    host.process_images(p)

    assert shared.total_tqdm.total is None


def test_what_a_picture_was_made_with_is_handed_over(host, generation, painting):
    """A checkpoint repaints with it; of what other extensions leave out, nothing is known."""

    def change(p):
        p.prompts = [f"a cat {p.iteration}", "a dog"]
        p.all_negative_prompts = ["ugly"]
        p.steps, p.cfg_scale = 25, 4.5
        p.sampler_name, p.scheduler, p.distilled_cfg_scale = "Euler", None, 3.5

    host.process_images(generation(n_iter=1), before_hook=change)
    host.process_images(generation(n_iter=1, batch_size=1))

    assert painting.origins == [
        Origin("a cat 0", "ugly", 25, 4.5, "Euler", "", 3.5),
        Origin("a dog", "ugly", 25, 4.5, "Euler", "", 3.5),
        Origin(),
    ]
