from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realishuman import cli
from realishuman.weights import store


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture(autouse=True)
def no_installed_packs(tmp_path, monkeypatch):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_nothing_to_refine_gives_the_picture_back(picture, tmp_path, hand_pack, capsys):
    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack, "--quiet")

    assert code == cli.OK
    with Image.open(tmp_path / "out.png") as output, Image.open(picture) as given:
        assert output.tobytes() == given.tobytes()
    assert "No part was found" in capsys.readouterr().err


def test_before_and_after_are_saved_side_by_side(picture, tmp_path, hand_pack):
    out = tmp_path / "out.png"
    assert run("refine", picture, "-o", out, "--pack", hand_pack, "--compare", "--quiet") == cli.OK

    with Image.open(tmp_path / "out-compare.png") as shown:
        assert shown.width > 2 * 64


def test_without_a_pack_the_message_says_how_to_get_one(picture, tmp_path, capsys):
    code = run("refine", picture, "-o", tmp_path / "out.png")

    assert code == cli.BAD_MODEL
    assert not (tmp_path / "out.png").exists()
    assert "realishuman convert" in capsys.readouterr().err


def test_one_bad_file_does_not_stop_the_others(picture, tmp_path, hand_pack, capsys):
    bad = tmp_path / "bad.png"
    bad.write_text("not a picture")
    report = tmp_path / "report.json"

    code = run(
        "refine", bad, picture, "-o", tmp_path / "out", "--pack", hand_pack, "--json", report
    )

    assert code == cli.SOME_FAILED
    assert (tmp_path / "out/in.png").exists()
    assert not (tmp_path / "out/bad.png").exists()
    reports = json.loads(report.read_text())
    assert "bad.png" in reports[0]["error"]
    assert reports[1]["parts"] == []
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--steps", "0"], "steps"),
        (["--steps", "many"], "steps"),
        (["--guidance", "99"], "guidance"),
        (["--parts", "foot"], "parts"),
        (["--preset", "best"], "preset"),
        (["--device", "abacus"], "abacus"),
        (["--box", "hand:9,9,3,3"], "--box"),
        (["--box", "elbow:1,2,3,4"], "--box"),
        (["--box", "hand:0,0,inf,inf"], "--box"),
        (["--box", "face:1,2,3,4", "--parts", "hand"], "names a face"),
        (["--device", "meta"], "meta"),
        (["--json", "/dev/null/report.json"], "/dev/null"),
        (["--save-steps", "/dev/null/steps"], "/dev/null"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    arguments, named, picture, tmp_path, hand_pack, capsys
):
    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack, *arguments)

    assert code == cli.BAD_OPTION
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"not a pack at all", b"\x10\0\0\0\0\0\0\0{}"])
def test_a_damaged_pack_is_named_and_nothing_is_written(content, picture, tmp_path, capsys):
    pack = tmp_path / "hand.safetensors"
    pack.write_bytes(content)

    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", pack)

    assert code == cli.BAD_MODEL
    assert str(pack) in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_pictures_of_one_name_or_over_themselves_are_refused(picture, tmp_path, hand_pack, capsys):
    other = tmp_path / "more"
    other.mkdir()
    (other / "in.png").write_bytes(picture.read_bytes())

    same = run("refine", picture, other / "in.png", "-o", tmp_path / "out", "--pack", hand_pack)
    over = run("refine", other, "-o", other, "--pack", hand_pack)

    assert same == over == cli.BAD_OPTION
    assert "itself one of the pictures" in capsys.readouterr().err


def test_inspect_needs_no_pack_and_draws_a_sheet(picture, tmp_path):
    assert run("inspect", picture, "-o", tmp_path / "sheet.png") == cli.OK

    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] == 1064


def test_an_empty_folder_is_said_so(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    assert run("inspect", tmp_path / "empty", "-o", tmp_path / "sheets") == cli.BAD_OPTION
    assert "holds no picture" in capsys.readouterr().err


def test_an_installed_pack_is_used_and_listed(picture, tmp_path, hand_pack, capsys):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine.safetensors").write_bytes(hand_pack.read_bytes())

    assert run("models") == cli.OK
    listed = capsys.readouterr().out
    assert run("refine", picture, "-o", tmp_path / "out.png") == cli.OK

    assert "mine.safetensors" in listed
    assert "random" in listed
    assert "none for faces" in listed


def test_ctrl_c_leaves_no_half_written_file(picture, tmp_path, hand_pack, monkeypatch):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("realishuman.batch.refine", stop)

    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack)

    assert code == cli.STOPPED
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.png"]


def test_the_doctor_says_what_works(capsys):
    assert run("doctor") == cli.OK

    text = capsys.readouterr().out
    assert "embedded detector, run by CPUExecutionProvider" in text
    assert "missing  hands" in text


@pytest.mark.parametrize("place", ["out.xyz", "in.png/out.png", "in.png/out"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(
    place, picture, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("realishuman.batch.refine", None)  # would be a TypeError

    code = run("refine", picture, "-o", tmp_path / place, "--pack", "random")

    assert code == cli.BAD_OPTION
    assert str(tmp_path / "in.png" if "/" in place else place) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_what_the_new_file_cannot_hold_is_said_before_anything_runs(
    tmp_path, hand_pack, monkeypatch, capsys
):
    monkeypatch.setattr("realishuman.batch.refine", None)
    Image.new("RGBA", (9, 9), (1, 2, 3, 4)).save(tmp_path / "in.png")

    code = run("refine", tmp_path / "in.png", "-o", tmp_path / "new/out.jpg", "--pack", hand_pack)

    assert code == cli.SOME_FAILED
    assert "JPEG cannot hold the picture's transparency" in capsys.readouterr().err


def test_a_jpeg_without_parts_is_not_encoded_anew(tmp_path, hand_pack):
    given = tmp_path / "in.jpg"
    Image.effect_noise((64, 48), 40).save(given, quality=60)

    assert run("refine", given, "-o", tmp_path / "new/out.jpg", "--pack", hand_pack) == cli.OK

    assert (tmp_path / "new/out.jpg").read_bytes() == given.read_bytes()


def test_a_pack_for_other_parts_than_those_asked_for_is_refused(
    picture, tmp_path, hand_pack, capsys
):
    code = run(
        "refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack, "--parts", "face"
    )

    assert code == cli.BAD_MODEL
    assert "repairs parts of kind hand, but --parts asks for face" in capsys.readouterr().err


def test_a_named_place_without_a_part_is_mentioned(picture, tmp_path, hand_pack, capsys):
    box = "hand:500,500,600,600"
    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack, "--box", box)

    assert code == cli.OK
    assert "no hand was found in the box 500,500,600,600" in capsys.readouterr().err


def test_naming_a_picture_or_a_kind_twice_is_naming_it_once(picture, tmp_path, hand_pack):
    again = picture.parent / ".." / picture.parent.name / picture.name
    report = tmp_path / "report.json"

    code = run(
        *("refine", picture, again, "-o", tmp_path / "out", "--pack", hand_pack),
        *("--parts", "hand,,hand", "--json", report),
    )

    assert code == cli.OK
    assert len(json.loads(report.read_text())) == 1


def test_an_empty_name_is_not_the_current_folder(tmp_path, capsys):
    assert run("inspect", "", "-o", tmp_path / "sheets") == cli.BAD_OPTION
    assert "empty name" in capsys.readouterr().err


def test_stopping_saves_the_report_of_what_is_finished(picture, tmp_path, hand_pack, monkeypatch):
    from realishuman import batch

    (tmp_path / "more.png").write_bytes(picture.read_bytes())
    whole = batch.refine

    def once(*arguments, **options):
        monkeypatch.setattr(batch, "refine", stop)
        return whole(*arguments, **options)

    def stop(*_arguments, **_options):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(batch, "refine", once)
    before = signal.getsignal(signal.SIGTERM)

    code = run(
        *("refine", picture, tmp_path / "more.png", "-o", tmp_path / "out"),
        *("--pack", hand_pack, "--json", tmp_path / "report.json"),
    )

    assert code == cli.STOPPED
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(json.loads((tmp_path / "report.json").read_text())) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in.png"]


def test_a_models_folder_that_is_a_file_is_said_so(picture, monkeypatch, capsys):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(picture))

    assert run("models") == cli.BAD_MODEL
    assert "is a file; name a folder in REALISHUMAN_MODELS" in capsys.readouterr().out
    assert run("convert", "hand") == cli.BAD_MODEL
    assert "cannot be made" in capsys.readouterr().err


def fill_memory():
    raise MemoryError


@pytest.mark.parametrize("fill", [fill_memory, lambda: torch.empty(2**60)])
def test_a_full_memory_is_said_with_what_helps(
    fill, picture, tmp_path, hand_pack, monkeypatch, capsys
):
    def too_much(*_args, **_kwargs):
        fill()

    monkeypatch.setattr("realishuman.batch.refine", too_much)

    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack)

    assert code == cli.SOME_FAILED
    assert "--max-batch 1" in capsys.readouterr().err


def broken_refine(*_arguments, **_options):
    return torch.ones(2) @ torch.ones(3)


def broken_save(*_arguments, **_options):
    raise KeyError("a tag")


@pytest.mark.parametrize(
    ("stage", "breaks"),
    [
        ("load_picture", broken_save),
        ("refine", broken_refine),
        ("_write", broken_save),
        ("before_after", broken_save),
    ],
)
def test_no_failure_of_one_picture_ends_the_run(
    stage, breaks, picture, tmp_path, hand_pack, monkeypatch, capsys
):
    from realishuman import batch

    (tmp_path / "more.png").write_bytes(picture.read_bytes())
    whole, called = getattr(batch, stage), []

    def first_breaks(*arguments, **options):
        called.append(stage)
        return (breaks if len(called) == 1 else whole)(*arguments, **options)

    monkeypatch.setattr(batch, stage, first_breaks)
    report = tmp_path / "report.json"

    code = run(
        *("refine", picture, tmp_path / "more.png", "-o", f"{tmp_path}/out/", "--compare"),
        *("--pack", hand_pack, "--json", report, "--quiet"),
    )

    assert code == cli.SOME_FAILED
    first, second = json.loads(report.read_text())
    assert "unexpected" in first["error"]
    assert any("first_breaks" in line for line in first["traceback"])
    assert "error" not in second
    assert (tmp_path / "out/more-compare.png").exists()
    assert f"{picture}: unexpected" in capsys.readouterr().err


def test_a_number_of_steps_that_the_weights_refuse_is_a_bad_option(
    tmp_path, hand_pack, models_of, flat_hand, monkeypatch, capsys
):
    Image.fromarray(np.full((240, 240, 3), 90, np.uint8)).save(tmp_path / "in.png")
    models = models_of([flat_hand(120, 120, 100)])
    monkeypatch.setattr("realishuman.hosts.standalone.open_models", lambda *_: models)

    code = run(
        *("refine", tmp_path / "in.png", "-o", tmp_path / "out.png"),
        *("--pack", hand_pack, "--steps", "999"),
    )

    assert code == cli.BAD_OPTION
    assert "choose another number of steps" in capsys.readouterr().err


def test_intermediate_pictures_are_saved_in_a_folder_of_the_pictures_name(
    tmp_path, hand_pack, models_of, flat_hand, monkeypatch
):
    Image.fromarray(np.full((240, 240, 3), 90, np.uint8)).save(tmp_path / "in.png")
    models = models_of([flat_hand(120, 120, 100)])
    monkeypatch.setattr("realishuman.hosts.standalone.open_models", lambda *_: models)

    code = run(
        *("refine", tmp_path / "in.png", "-o", tmp_path / "out.png", "--pack", hand_pack),
        *("--steps", "1", "--save-steps", tmp_path / "steps"),
    )

    assert code == cli.OK
    saved = sorted(path.stem for path in (tmp_path / "steps/in/1-hand").iterdir())
    assert saved == ["1-crop", "2-pose", "3-ring", "4-stage-one", "5-stage-two"]


def test_the_shipped_pack_refines_the_example(tmp_path, monkeypatch, capsys):
    monkeypatch.undo()  # with the packs as they are shipped
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    example = Path(__file__).parents[1] / "examples/hand.png"

    assert run("refine", example, "-o", tmp_path / "out.png", "--compare", "--quiet") == cli.OK

    assert "demo weights: small networks that show the method" in capsys.readouterr().err
    with Image.open(example) as before, Image.open(tmp_path / "out.png") as after:
        changed = (np.asarray(before) != np.asarray(after)).any(axis=2)
    assert 0.03 < changed.mean() < 0.5
    assert (tmp_path / "out-compare.png").exists()


@pytest.mark.parametrize("command", ["inspect", "refine"])
def test_a_detector_without_its_files_is_said_once_before_any_picture(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    pictures = [tmp_path / f"{name}.png" for name in "ab"]
    for picture in pictures:
        Image.new("RGB", (32, 32)).save(picture)

    pack = ["--pack", "random"] if command == "refine" else []
    code = cli.main([command, *map(str, pictures), *pack, "-o", str(tmp_path / "out"),
                 "--detector", "dwpose"])  # fmt: skip

    assert code == 3
    assert capsys.readouterr().err.count("realishuman models fetch dwpose") == 1
