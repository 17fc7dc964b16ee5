from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from realishuman.errors import PackError
from realishuman.packs import store
from realishuman.progress import Interrupted
from realishuman.settings import Settings
from realishuman.webui.choices import choices_from
from realishuman.webui.host.engine import Engine
from realishuman.webui.host.progress import HostProgress, reserve

FAST = Settings(parts=("hand",), steps=1, guidance=1.0, seed=3, gate=False, judge=False)


class Host:
    """Counts what it is asked; its networks are the standalone ones."""

    name = "stand-in"

    def __init__(self, folder):
        self.folder, self.opened, self.released, self.within = folder, 0, 0, 0

    def open_backbone(self, pack):
        from realishuman.backbones.packed import PackedBackbone

        self.opened += 1
        return PackedBackbone(pack, "cpu")

    @contextmanager
    def undisturbed(self):
        self.within += 1
        try:
            yield
        finally:
            self.within -= 1

    def release(self):
        self.released += 1

    def models_folder(self):
        return self.folder

    def checkpoint(self, _control=None):
        return None


@pytest.fixture
def folder(tmp_path, trained_pack, monkeypatch):
    """A models folder with two trained packs for hands, and nothing shipped."""
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")
    for name in ("first.safetensors", "second.safetensors"):
        shutil.copy(trained_pack, tmp_path / name)
    return tmp_path


@pytest.fixture
def hands(flat_hand):
    return [flat_hand(90, 150, 80), flat_hand(320, 150, 80)]


@pytest.fixture
def made(folder, hands, models_of):
    host = Host(folder)
    engine = Engine(lambda: host)
    engine._detectors["auto"] = models_of(hands).detector
    return engine, host


def bound(engine):
    """The engine with every choice at its default."""
    return engine.bind(choices_from({}))


def ahead(engine, /, **values):
    """What is said before a run with these choices."""
    return engine.outlook(choices_from(values))


@pytest.fixture
def picture():
    return np.full((300, 420, 3), 120, np.uint8)


def test_models_are_kept_for_the_next_picture_and_changed_with_the_pack(made):
    engine, host = made
    first = engine.models({"hand": "first.safetensors"})

    assert engine.models({"hand": "first.safetensors"}) is first
    assert engine.models() is first  # the best is the first of equals
    second = engine.models({"hand": "second.safetensors"})
    assert second.packs["hand"].path.name == "second.safetensors"
    assert second.detector is first.detector
    assert host.released == 1


def test_a_pack_that_was_replaced_on_the_disk_is_read_anew(made, folder, trained_pack):
    engine, _ = made
    first = engine.models({"hand": "first.safetensors"})
    path = folder / "first.safetensors"
    shutil.copy(trained_pack, path)
    import os

    os.utime(path, (1, 1))

    assert engine.models({"hand": "first.safetensors"}) is not first


def test_a_pack_may_be_named_by_its_set(made, folder):
    engine, _ = made

    assert engine.models({"hand": "mine"}).packs["hand"].path.parent == folder
    assert engine.pack_files() == ["first.safetensors", "second.safetensors", "mine"]
    with pytest.raises(PackError, match="no pack for faces"):
        engine.models({"face": "mine"})


@pytest.mark.parametrize(
    ("kind", "name"),
    [("hand", "missing.safetensors"), ("face", "first.safetensors"), ("hand", "../x")],
)
def test_a_pack_that_is_not_there_or_for_another_kind_is_refused(made, kind, name):
    with pytest.raises(PackError, match=f"no pack for {kind}s"):
        made[0].models({kind: name})


def test_a_chosen_pack_that_is_damaged_is_called_that(made, folder):
    path = folder / "broken.safetensors"
    path.write_bytes(b"no pack")

    with pytest.raises(PackError, match=r"broken\.safetensors cannot be read"):
        made[0].models({"hand": "broken.safetensors"})


def test_before_a_run_it_is_said_which_parts_are_left_alone_and_how_to_get_packs(made, folder):
    engine, _ = made
    hand = ahead(engine, parts=["hand"])
    both = ahead(engine, parts=["hand", "face"])

    assert hand.sentence.startswith("Hands are repainted with the pack first.")
    assert both.sentence.startswith(
        "Hands are repainted with the pack first; faces are left alone (no trained pack; see the "
        "Models page)."
    )
    assert hand.warnings == both.warnings == ()


@pytest.mark.parametrize(("weights", "word"), [("demo", "demo pack"), ("random", "RANDOM")])
def test_a_pack_that_is_not_for_real_pictures_runs_only_when_named_and_says_so_before(
    made, folder, hand_pack, relabelled, weights, word
):
    engine, _ = made
    for path in folder.glob("*"):
        path.unlink()
    relabelled(hand_pack, folder / "x.safetensors", weights=weights, name=f"{weights}-hand")

    assert engine.models().packs == {}
    assert (
        "Hands are repaired with the picture's own skin." in ahead(engine, parts=["hand"]).sentence
    )
    lacking = ahead(engine, parts=["hand"], engine="pack")
    assert lacking.sentence == "Hands are left alone (no trained pack; see the Models page)."
    assert engine.models({"hand": weights}).packs["hand"].header.weights == weights
    [warning] = ahead(engine, parts=["hand"], hand_pack=weights).warnings
    assert word in warning
    assert ahead(engine, parts=["hand"], hand_pack=weights, engine="transplant").warnings == ()


def test_where_a_pack_is_wanted_and_none_is_there_the_picture_stays_and_the_report_says_why(
    made, folder, picture
):
    engine, _ = made
    for path in folder.glob("*"):
        path.unlink()

    result = bound(engine).refine(picture, replace(FAST, engine="pack"))

    assert np.array_equal(result.image, picture)
    assert result.message == "0 of 2 parts refined."
    for part in result.parts:
        assert part.reason.startswith("No trained pack for hands is installed")
        assert "Models page" in part.reason


def test_the_transplant_repairs_hands_only_and_its_user_hears_so_before(made):
    engine, _ = made
    said = ahead(engine, engine="transplant")
    [face] = said.warnings

    assert "faces are left alone." in said.sentence
    assert face.startswith("The transplant repairs hands only, so faces are left alone")
    alone = bound(engine).left_alone(replace(FAST, engine="transplant"))
    assert alone == {"face": face}


def test_a_damaged_pack_is_in_nobodys_way_who_wants_none(made, folder, picture, spoil):
    engine, _ = made
    for path in folder.glob("*"):
        spoil(path, "cut")

    with pytest.raises(PackError):
        bound(engine).find(picture, FAST)
    assert len(bound(engine).find(picture, replace(FAST, engine="transplant")).parts) == 2
    assert ahead(engine, parts=["hand"], engine="transplant").warnings == ()


@pytest.mark.parametrize("how", ["cut", "nan", "header", "other"])
def test_a_damaged_pack_is_an_error_with_its_name_where_its_kind_is_wanted(
    made, folder, picture, trained_pack, spoil, how
):
    engine, _ = made
    spoil(shutil.copy(trained_pack, folder / "my-face.safetensors"), how)
    if how != "other":  # by its header it is for hands
        for path in (folder / "first.safetensors", folder / "second.safetensors"):
            path.unlink()
        (folder / "my-face.safetensors").rename(folder / "my-hand.safetensors")
    kind = "face" if how == "other" else "hand"
    other = {"hand": "face", "face": "hand"}[kind]

    with pytest.raises(PackError, match=f"my-{kind}.safetensors"):
        bound(engine).refine(picture, Settings(parts=(kind,)))
    [said] = ahead(engine, parts=[kind]).warnings
    assert ahead(engine, parts=[kind]).sentence == ""
    assert said.startswith("Pictures are left as they are: ")
    assert f"my-{kind}.safetensors" in said
    bound(engine).refine(picture, Settings(parts=(other,), steps=1))


def test_a_sound_pack_takes_the_place_of_a_damaged_one_aloud(made, folder, picture, spoil):
    engine, _ = made
    spoil(folder / "first.safetensors", "cut")

    result = bound(engine).refine(picture, FAST)

    assert [part.outcome for part in result.parts] == ["refined", "refined"]
    for lines in (result.notes, ahead(engine, parts=["hand"]).warnings):
        assert any(line.startswith("Skipped: ") and "first" in line for line in lines)


def test_what_may_be_a_pack_for_anything_is_passed_over_aloud(made, folder, picture):
    (folder / "broken.safetensors").write_bytes(b"no pack")

    notes = bound(made[0]).refine(picture, FAST).notes

    assert [note for note in notes if "broken.safetensors" in note]
    assert any("broken.safetensors" in line for line in ahead(made[0], parts=["hand"]).warnings)


class State:
    def __init__(self):
        self.skipped = self.interrupted = False
        self.job_no, self.job_count, self.sampling_step, self.sampling_steps = 1, 1, 7, 20
        self.current_latent, self.current_image, self.textinfo = "theirs", None, "theirs"
        self.texts = []

    def __setattr__(self, name, value):
        if name == "textinfo" and "texts" in vars(self):
            self.texts.append(value)
        super().__setattr__(name, value)

    def nextjob(self):
        self.job_no += 1
        self.sampling_step = 0

    def assign_current_image(self, image):
        self.current_image = image


def test_a_run_is_undisturbed_shows_itself_on_the_bar_and_leaves_it_as_it_was(made, picture):
    engine, host = made
    state = State()
    reserve(state, 4)
    with torch.inference_mode(), HostProgress(state, 4, preview=True) as progress:
        result = bound(engine).refine(picture, FAST, progress=progress)

    assert [part.outcome for part in result.parts] == ["refined"] * 2
    both = "RealisHuman: 1 right hand, 2 right hand: part 1 to 2 of 2"
    told = dict.fromkeys(text.partition(", about ")[0] for text in state.texts)
    assert list(told) == [
        "RealisHuman: detect", f"{both}, stage one", f"{both}, stage two", "theirs",
    ]  # fmt: skip
    assert (state.job_no, state.job_count) == (3, 3)
    assert (state.current_latent, state.sampling_step, state.sampling_steps) == ("theirs", 7, 20)
    assert state.current_image.size == (256, 128)
    assert host.within == 0
    assert host.opened == 1


def test_found_parts_may_be_refined_by_number_without_a_second_search(made, picture):
    engine, _ = made
    found = bound(engine).find(picture, FAST)
    engine.models().detector.parts = []
    result = bound(engine).refine(picture, FAST, found=found, only=[2])

    assert [part.outcome for part in result.parts] == ["kept", "refined"]


@pytest.mark.parametrize("pressed", ["interrupted", "skipped"])
def test_a_press_stops_at_the_next_step_and_everything_is_left_as_it_was(made, picture, pressed):
    engine, host = made
    state = State()

    class Press(HostProgress):
        def step(self, count=1):
            if "stage two" in state.textinfo:
                setattr(state, pressed, True)
            super().step(count)

    with pytest.raises(Interrupted), Press(state) as progress:
        bound(engine).refine(picture, FAST, progress=progress)

    assert host.within == 0
    assert (state.textinfo, state.current_latent) == ("theirs", "theirs")
    assert state.job_no == state.job_count


def test_the_provider_comes_with_the_reason_why_it_is_not_the_one_asked_for(made):
    engine, _ = made
    for name, provider, note in (("a", "CUDA", ""), ("b", "CPU", "CUDA failed"), ("c", "", "")):
        engine._detectors[name] = type("One", (), {"provider": provider, "note": note})

    assert engine.provider() == "CPU (CUDA failed), CUDA, none"
