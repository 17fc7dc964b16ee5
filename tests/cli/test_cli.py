from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from realishuman.cli import main as cli
from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.packs import store
from realishuman.paint.transplant import EVERY_FINGER
from realishuman.synthetic.sample import sample


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


def test_where_a_pack_is_wanted_and_none_is_there_the_picture_stays_and_a_sentence_says_why(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.undo()  # with the packs as they are shipped
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    example = Path(__file__).parents[2] / "examples/hand.png"
    report = tmp_path / "report.json"

    options = ("--engine", "pack", "--json", report)
    assert run("refine", example, "-o", tmp_path / "out.png", *options) == cli.OK

    assert (tmp_path / "out.png").read_bytes() == example.read_bytes()
    said = capsys.readouterr().err
    assert said.count("No trained pack for hands is installed") == 1
    assert "faces" not in said  # the picture shows none
    assert "setup official`" in said
    assert "`--pack demo` demonstrates the method" in said
    [told] = json.loads(report.read_text())
    assert told["message"] == "0 of 1 parts refined."
    assert told["parts"][0]["outcome"] == "kept"
    assert told["parts"][0]["reason"].startswith("No trained pack for hands is installed")


@pytest.fixture
def bent(tmp_path, models_of, monkeypatch):
    """A picture of a malformed hand, which is found; there is no pack."""
    pair = sample(1_000_000_019, 256, "bent finger")
    hand = Part("hand", pair.part, around(pair.joints), 1.0, pair.joints)
    models = models_of([hand], packs=())
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)
    monkeypatch.setattr("realishuman.paint.own_skin.pick_wrong", lambda mesh: EVERY_FINGER)
    Image.fromarray(pair.malformed).save(tmp_path / "in.png")
    return models


def test_without_any_weights_a_hand_is_repaired_and_the_file_says_how(bent, tmp_path, capsys):
    source, target = tmp_path / "in.png", tmp_path / "out.png"

    assert run("refine", source, "-o", target, "--no-gate", "--no-judge") == cli.OK

    said = capsys.readouterr().err
    assert "1 of 1 parts refined. The transplant repaints with the picture's own skin." in said
    assert "No trained pack" not in said
    with Image.open(source) as given, Image.open(target) as made:
        assert made.tobytes() != given.tobytes()
        assert "RealisHuman gate: False" in made.info["parameters"]
        assert 'RealisHuman engines: "hand: transplant"' in made.info["parameters"]
        assert "packs" not in made.info["parameters"]


@pytest.mark.parametrize(
    ("options", "unused"),
    [(["--engine", "pack"], True), (["--engine", "checkpoint"], False)],
)
def test_a_checkpoint_that_no_engine_takes_is_mentioned(bent, tmp_path, capsys, options, unused):
    given = ["refine", tmp_path / "in.png", "-o", tmp_path / "out.png", "--checkpoint", "mine"]

    assert run(*given, *options) == cli.OK

    assert ("does not use the checkpoint" in capsys.readouterr().err) == unused


def test_a_hand_that_looks_right_is_left_alone_and_inspect_says_so_first(
    bent, says, tmp_path, capsys, monkeypatch
):
    bent.judge = lambda *_: says(0.01)
    monkeypatch.setattr("realishuman.pipeline.models.Models", lambda *_: bent)
    source, target = tmp_path / "in.png", tmp_path / "out.png"

    assert run("inspect", source, "-o", tmp_path / "sheet.png") == cli.OK
    said = capsys.readouterr().err
    assert "1 part found, 0 would be refined." in said
    assert "left alone: it looks right already" in said
    assert run("refine", source, "-o", target) == cli.OK
    assert "kept: it looks right already" in capsys.readouterr().err
    assert target.read_bytes() == source.read_bytes()


def test_how_to_get_a_pack_is_said_once_for_all_pictures(bent, tmp_path, capsys):
    for name in ("a", "b", "c"):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / f"many/{name}.png").write_bytes((tmp_path / "in.png").read_bytes())

    assert run("refine", tmp_path / "many", "-o", tmp_path / "out", "--engine", "pack") == cli.OK

    said = capsys.readouterr().err
    assert said.count("setup official`") == 1
    assert said.count("hand kept: No trained pack for hands is installed, so they are left al") == 3


@pytest.mark.parametrize("how", ["cut", "nan", "header", "other"])
def test_a_damaged_pack_among_the_installed_ones_ends_the_run_with_its_name(
    how, picture, tmp_path, trained_pack, spoil, capsys
):
    (tmp_path / "models").mkdir()
    path = tmp_path / "models/hand.safetensors"
    path.write_bytes(trained_pack.read_bytes())
    spoil(path, how)

    assert run("refine", picture, "-o", tmp_path / "out.png") == cli.BAD_MODEL
    assert str(path) in capsys.readouterr().err
    assert run("models") == cli.BAD_MODEL
    assert "hand.safetensors                 BROKEN" in capsys.readouterr().out
    assert run("doctor") == cli.BAD_MODEL
    assert f"BROKEN   {path}" in capsys.readouterr().out
    assert run("refine", picture, "-o", tmp_path / "out.png", "--parts", "face") == cli.OK


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
        (["--exact-box", "elbow:1,2,3,4"], "--exact-box"),
        (["--box", "hand:0,0,inf,inf"], "--box"),
        (["--box", "face:1,2,3,4", "--parts", "hand"], "names a face"),
        (["--device", "meta"], "meta"),
        (["--json", "/dev/null/report.json"], "/dev/null"),
        (["--save-steps", "/dev/null/steps"], "/dev/null"),
        (["--format", "gif2"], "--format"),
        (["--suffix", "a/b"], "--suffix"),
        (["--only", "1,x"], "--only"),
        (["--only", "0"], "--only"),
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


def test_pictures_of_one_name_get_their_folders_and_none_is_overwritten(
    picture, tmp_path, hand_pack, capsys
):
    other = tmp_path / "more"
    other.mkdir()
    (other / "in.png").write_bytes(picture.read_bytes())

    same = run("refine", picture, other / "in.png", "-o", tmp_path / "out", "--pack", hand_pack)
    over = run("refine", other, "-o", other, "--pack", hand_pack)

    assert (same, over) == (cli.OK, cli.BAD_OPTION)
    assert (tmp_path / "out/in.png").exists()
    assert (tmp_path / "out/more/in.png").exists()
    assert "itself one of the pictures" in capsys.readouterr().err


def test_a_folder_is_refined_with_all_below_it_and_only_once(
    picture, tmp_path, hand_pack, monkeypatch, capsys
):
    for day in ("2026-01-01", "2026-01-02"):
        (tmp_path / "in" / day).mkdir(parents=True)
        (tmp_path / "in" / day / "00001.png").write_bytes(picture.read_bytes())
    (tmp_path / "in/notes.txt").write_text("words")
    report = tmp_path / "report.json"
    options = ("--compare", "--skip-existing", "--json", report, "--pack", hand_pack)

    assert run("refine", tmp_path / "in", "-o", tmp_path / "in/out", *options) == cli.OK
    first = sorted(path.relative_to(tmp_path / "in/out") for path in tmp_path.rglob("out/**/*.png"))
    assert "Skipped: 1 file of another kind." in capsys.readouterr().err
    monkeypatch.setattr("realishuman.batch.picture.refine", None)  # would be a TypeError
    assert run("refine", tmp_path / "in", "-o", tmp_path / "in/out", *options) == cli.OK

    assert [path.as_posix() for path in first] == [
        "2026-01-01/00001-compare.png", "2026-01-01/00001.png",
        "2026-01-02/00001-compare.png", "2026-01-02/00001.png",
    ]  # fmt: skip
    assert "2 of 2 results are there already." in capsys.readouterr().err
    assert [one["skipped"] for one in json.loads(report.read_text())] == [
        "the result already exists"
    ] * 2


def test_results_may_have_another_format_and_name(picture, tmp_path, hand_pack):
    options = ("--format", "JPG", "--suffix", "-fixed", "--pack", hand_pack)

    assert run("refine", picture, "-o", tmp_path, *options) == cli.OK

    with Image.open(tmp_path / "in-fixed.jpg") as result:
        assert result.format == "JPEG"


def test_inspect_needs_no_pack_and_draws_a_sheet(picture, tmp_path):
    assert run("inspect", picture, "-o", tmp_path / "sheet.png") == cli.OK

    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] == 1064


def test_an_empty_folder_is_said_so(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    assert run("inspect", tmp_path / "empty", "-o", tmp_path / "sheets") == cli.BAD_OPTION
    assert "contains no picture" in capsys.readouterr().err


def test_installed_packs_are_listed_with_what_is_lacking(tmp_path, hand_pack, capsys):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine.safetensors").write_bytes(hand_pack.read_bytes())

    assert run("models") == cli.OK
    listed = capsys.readouterr().out

    assert "mine.safetensors" in listed
    assert "random" in listed
    assert "pack for hands is installed: they are repaired with the picture's own skin" in listed
    assert "No trained pack for faces is installed, so they are left alone" in listed


def test_ctrl_c_leaves_no_half_written_file(picture, tmp_path, hand_pack, monkeypatch):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("realishuman.batch.picture.refine", stop)

    code = run("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack)

    assert code == cli.STOPPED
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.png"]


def test_the_doctor_says_what_works(capsys):
    assert run("doctor") == cli.OK

    text = capsys.readouterr().out
    assert "embedded detector, run by CPUExecutionProvider" in text
    assert "ok       hands: repaired with the picture's own skin" in text
    assert "missing  faces" in text
    assert re.search("pictures: .*BMP, JPEG, PNG, TIFF, WEBP", text)
    assert "pillow-heif" in text or "HEIF are read" in text


@pytest.mark.parametrize("place", ["out.xyz", "in.png/out.png", "in.png/out"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(
    place, picture, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("realishuman.batch.picture.refine", None)  # would be a TypeError

    code = run("refine", picture, "-o", tmp_path / place, "--pack", "random")

    assert code == cli.BAD_OPTION
    assert str(tmp_path / "in.png" if "/" in place else place) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_what_the_new_file_cannot_hold_is_said_before_anything_runs(
    tmp_path, hand_pack, monkeypatch, capsys
):
    monkeypatch.setattr("realishuman.batch.picture.refine", None)
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

    assert code == cli.SOME_FAILED
    assert "No hand was found in the box 500,500,600,600" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["refine", "inspect"])
def test_a_named_place_is_searched_instead_of_the_whole_picture(
    command, tmp_path, hand_pack, models_of, flat_hand, monkeypatch, capsys
):
    """A face is asked for where none is; the hand that nobody named is left alone."""
    given = np.full((240, 240, 3), 90, np.uint8)
    Image.fromarray(given).save(tmp_path / "in.png")
    models = models_of([flat_hand(120, 120, 100)])
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)
    monkeypatch.setattr("realishuman.pipeline.models.Models", lambda *_: models)
    report = ("--json", tmp_path / "report.json") if command == "refine" else ()

    code = run(
        *(command, tmp_path / "in.png", "-o", tmp_path / "out.png", "--pack", hand_pack),
        *("--box", "face:10,10,90,90", *report),
    )

    assert code == cli.SOME_FAILED
    assert "No face was found in the box 10,10,90,90: draw it" in capsys.readouterr().err
    if command == "refine":
        with Image.open(tmp_path / "out.png") as result:
            assert np.array_equal(np.asarray(result), given)
        [one] = json.loads((tmp_path / "report.json").read_text())
        assert one["parts"] == []
        assert "No face was found in the box" in one["notes"][0]
        assert one["missed"] == one["notes"]


def test_only_the_parts_that_are_named_are_refined(
    tmp_path, hand_pack, models_of, flat_hand, monkeypatch, capsys
):
    Image.fromarray(np.full((240, 480, 3), 90, np.uint8)).save(tmp_path / "in.png")
    models = models_of([flat_hand(120, 120, 100), flat_hand(360, 120, 80)])
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)
    report = tmp_path / "report.json"
    command = ("refine", tmp_path / "in.png", "-o", tmp_path / "out.png", "--pack", hand_pack)
    options = ("--steps", "1", "--json", report)

    assert run(*command, *options, "--only", "2") == cli.OK
    [one] = json.loads(report.read_text())
    assert [part["outcome"] for part in one["parts"]] == ["kept", "refined"]

    assert run(*command, *options, "--only", "2,7") == cli.SOME_FAILED
    assert "There is no part 7 in the picture: 2 found." in capsys.readouterr().err


def test_numbers_of_parts_are_those_of_one_picture(picture, tmp_path, hand_pack, capsys):
    (tmp_path / "more.png").write_bytes(picture.read_bytes())
    command = ("refine", picture, tmp_path / "more.png", "-o", tmp_path / "out")

    assert run(*command, "--pack", hand_pack, "--only", "1") == cli.BAD_OPTION
    assert "--only names parts of one picture, but there are 2" in capsys.readouterr().err


def test_inspect_counts_what_refine_would_do(
    tmp_path, hand_pack, models_of, flat_hand, monkeypatch, capsys
):
    Image.fromarray(np.full((240, 480, 3), 90, np.uint8)).save(tmp_path / "in.png")
    hands = [flat_hand(120, 120, 100), flat_hand(360, 120, 80)]
    for packs, said in (
        ([hand_pack], "2 parts found, 2 would be refined."),
        ([], "2 parts found, 0 would be refined; nothing repaints 2 hands."),
    ):
        models = models_of(hands, packs)
        monkeypatch.setattr("realishuman.pipeline.models.Models", lambda *_, models=models: models)
        options = ("--engine", "pack")
        assert run("inspect", tmp_path / "in.png", "-o", tmp_path / "sheet.png", *options) == cli.OK
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["refine", "in.png", "-o", "out.png", "--steps", "0"],
        ["refine", "in.png", "-o", "out.xyz"],
        ["refine", "in.png", "more.png", "-o", "out.png"],
        ["refine", "in.png", "-o", "out.png", "--device", "abacus"],
        ["refine", "in.png", "-o", "out.png", "--precision", "int4"],
        ["refine", "in.png", "-o", "out.png", "--box", "hand:9,9,3,3"],
        ["refine", "in.png", "-o", "out.png", "--json", "."],
        ["inspect", "in.png", "-o", "out.png", "--min-size", "0"],
    ],
)
def test_what_cannot_be_is_refused_without_opening_torch(arguments, picture, tmp_path):
    code = (
        "import sys\nfrom realishuman.cli.main import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as error:\n    code = error.code\n"
        "sys.exit(90 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )

    assert done.returncode == cli.BAD_OPTION


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in `realishuman models list | head -1`."""
    command = [sys.executable, "-m", "realishuman", "models", "list"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as running:
        running.stdout.close()
        said = running.stderr.read()

    assert (running.returncode, said) == (cli.OK, b"")


def test_an_exact_box_is_repainted_where_nothing_is_recognised(
    picture, tmp_path, hand_pack, capsys
):
    report, box = tmp_path / "report.json", (20.0, 30.0, 90.0, 150.0)
    named = "hand:" + ",".join(map(str, box))

    code = run(
        *("refine", picture, "-o", tmp_path / "out.png", "--pack", hand_pack, "--steps", "1"),
        *("--exact-box", named, "--json", report),
    )

    assert code == cli.OK
    [part] = json.loads(report.read_text())[0]["parts"]
    assert tuple(part["box"].values()) == box
    assert part["outcome"] == "refined"
    assert "No hand was recognised in this box" in capsys.readouterr().err


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
    from realishuman.batch import picture as batch

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
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[1:] == ["in.png"]
    assert names[0].endswith(".jsonl")  # the journal, with which the same command goes on


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

    monkeypatch.setattr("realishuman.batch.picture.refine", too_much)

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
    from realishuman.batch import picture as batch

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
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)

    code = run(
        *("refine", tmp_path / "in.png", "-o", tmp_path / "out.png"),
        *("--pack", hand_pack, "--steps", "999"),
    )

    assert code == cli.BAD_OPTION
    assert "choose another number of steps" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("options", [[], ["--no-metadata"]])
def test_a_refined_picture_carries_what_was_done_to_it(
    suffix, options, tmp_path, hand_pack, models_of, flat_hand, monkeypatch
):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a hand\nSteps: 20, Sampler: Euler a, Seed: 7, Size: 240x240")
    grey = Image.fromarray(np.full((240, 240, 3), 90, np.uint8))
    grey.save(tmp_path / "in.png", pnginfo=chunks)
    models = models_of([flat_hand(120, 120, 100)])
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)

    code = run(
        *("refine", tmp_path / "in.png", "-o", tmp_path / f"out{suffix}", "--pack", hand_pack),
        *("--steps", "1", "--guidance", "2", "--quiet", *options),
    )

    assert code == cli.OK
    with Image.open(tmp_path / f"out{suffix}") as image:
        if suffix == ".png":
            text = image.text["parameters"]
        else:
            text = image.getexif().get_ifd(0x8769)[0x9286]
            assert text.startswith(b"UNICODE\0")
            text = text[8:].decode("utf-16-be")
    first, last = text.split("\n")
    assert first == "a hand"
    assert last.startswith("Steps: 20, Sampler: Euler a, Seed: 7, Size: 240x240")
    told = "RealisHuman version: " in last
    assert told is not bool(options)
    if told:
        assert ", RealisHuman guidance: 2.0, " in last
        assert ', RealisHuman result: "1 of 1 parts refined. ' in last
        assert "random-hand.safetensors (random weights)" in last


def test_what_was_done_replaces_what_was_done_before(
    tmp_path, hand_pack, models_of, flat_hand, monkeypatch
):
    Image.fromarray(np.full((240, 240, 3), 90, np.uint8)).save(tmp_path / "0.png")
    models = models_of([flat_hand(120, 120, 100)])
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)

    for number, seed in ((0, 11), (1, 12)):
        names = [tmp_path / f"{number}.png", "-o", tmp_path / f"{number + 1}.png"]
        run("refine", *names, "--pack", hand_pack, "--steps", "1", "--seed", seed, "--quiet")

    with Image.open(tmp_path / "2.png") as image:
        text = image.text["parameters"]
    assert text.count("RealisHuman version") == 1
    assert "RealisHuman seed: 12" in text
    assert "seed: 11" not in text


def test_intermediate_pictures_are_saved_in_a_folder_of_the_pictures_name(
    tmp_path, hand_pack, models_of, flat_hand, monkeypatch
):
    Image.fromarray(np.full((240, 240, 3), 90, np.uint8)).save(tmp_path / "in.png")
    models = models_of([flat_hand(120, 120, 100)])
    monkeypatch.setattr("realishuman.batch.job.open_models", lambda *_, **__: models)

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
    example = Path(__file__).parents[2] / "examples/hand.png"

    arguments = ("--pack", "demo", "--compare", "--quiet")
    assert run("refine", example, "-o", tmp_path / "out.png", *arguments) == cli.OK

    text = "demo weights: small networks that only demonstrate the method"
    assert text in capsys.readouterr().err
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
