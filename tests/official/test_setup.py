"""From official files to a refined picture in one command; each wrong file has a sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from realishuman.backbones.packed import PackedBackbone
from realishuman.cli.main import main
from realishuman.errors import ModelError, PackError
from realishuman.official import setup as official_setup
from realishuman.official import setup_sources as names
from realishuman.official.setup import Wishes, setup_official
from realishuman.official.setup_record import NAME
from realishuman.official.setup_sources import find_sources
from realishuman.packs.convert import Assumed
from realishuman.packs.pack import Pack
from realishuman.packs.store import set_of
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.pipeline.standalone import find_named_packs
from realishuman.progress import Silent
from realishuman.settings import Settings
from tests.conftest import FixedDetector

PRODUCTS = ("hamer/hamer.onnx", "face3d/net_recon.onnx", "face3d/face_model.npz")
WISHES = Wishes(
    ("hand", "face"), accept_unknown=True, assumed=Assumed(encoder_heads=4, resolution=128)
)


@pytest.fixture(scope="session")
def installed(official, tmp_path_factory):
    """A models folder after `setup official`, and what was said."""
    models, said = tmp_path_factory.mktemp("installed"), []
    ready = setup_official(
        models, find_sources(models, official, {}), WISHES, Silent(), said.append
    )
    assert ready == ["hamer", "face3d", "hand-pack", "face-pack"]
    return models, said


@pytest.fixture
def copied(official, tmp_path):
    """A copy of the official files that a test may spoil, and an empty models folder."""
    shutil.copytree(official, tmp_path / "files")
    return tmp_path / "files", tmp_path / "models"


def run(models, files, wishes=WISHES, progress=None):
    said = []
    sources = find_sources(models, files, {})
    ready = setup_official(models, sources, wishes, progress or Silent(), said.append)
    return ready, said


def made(models):
    """The finished files of a models folder, whatever notes and locks lie beside them."""
    return sorted(
        p.relative_to(models).as_posix()
        for p in models.rglob("*")
        if p.is_file() and p.name not in (NAME, ".setup-official.lock")
    )


def test_sizes_memory_and_time_are_said_before_anything_is_made(installed):
    _, said = installed
    cost = next(i for i, line in enumerate(said) if line.startswith("In all "))

    assert "on the disk" in said[cost]
    assert "of memory" in said[cost]
    assert "min." in said[cost]
    assert not any(": made " in line for line in said[:cost])
    for name in PRODUCTS:
        assert any(name in line for line in said[:cost])


def test_what_was_made_takes_no_more_disk_than_was_said(installed):
    models, said = installed
    text = next(line for line in said if line.startswith("In all "))
    promised = float(text.split()[2]) * 1e6

    assert text.split()[3] == "MB"
    assert sum((models / name).stat().st_size for name in made(models)) < 1.05 * promised


def test_the_packs_are_a_set_that_refines_with_the_paper_s_regressors(installed, flat_hand):
    models, _ = installed
    packs = [Pack.open(models / f"{kind}.safetensors") for kind in ("hand", "face")]
    assert {set_of(pack) for pack in packs} == {"official"}
    assert {pack.header.weights for pack in packs} == {"random"}
    hand = flat_hand(100, 100, 90)
    networks = Models(
        [pack.path for pack in packs],
        lambda pack: PackedBackbone(pack, "cpu"),
        FixedDetector([hand]),
        folder=models,
    )

    result = refine(np.full((200, 200, 3), 90, np.uint8), networks, Settings(steps=1, max_batch=1))

    assert result.meshes == {"hand": "HaMeR"}
    assert result.notes == ()
    assert "RANDOM" in result.message


def test_a_pack_is_found_by_the_name_of_its_set(installed, monkeypatch):
    models, _ = installed
    monkeypatch.setenv("REALISHUMAN_MODELS", str(models))

    assert find_named_packs(["official"], ["hand"]) == [models / "hand.safetensors"]
    assert len(find_named_packs(["official"], ["hand", "face"])) == 2
    with pytest.raises(
        PackError, match="neither a file nor the name of a set of installed packs for hand"
    ):
        find_named_packs(["nothing"], ["hand"])


def test_a_second_run_makes_nothing_also_without_the_official_files(installed, official, tmp_path):
    models, _ = installed
    before = {name: (models / name).stat().st_mtime_ns for name in made(models)}

    ready, said = run(models, official)
    again, _ = run(models, None)

    assert ready == again == ["hamer", "face3d", "hand-pack", "face-pack"]
    assert all("there already" in line for line in said)
    assert {name: (models / name).stat().st_mtime_ns for name in made(models)} == before


class Stop(Silent):
    """Stops the run when the first pack is being written."""

    def begin(self, stage, total):
        if "pack" in stage:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on(copied):
    files, models = copied

    with pytest.raises(KeyboardInterrupt):
        run(models, files, progress=Stop())
    halfway = made(models)
    _, said = run(models, files)

    assert halfway == sorted([*PRODUCTS, *(f"{n}.data" for n in PRODUCTS[:2])])
    assert [line for line in said if "there already" in line] == [
        "hamer: there already.",
        "face3d: there already.",
    ]
    assert {"hand.safetensors", "face.safetensors"} <= set(made(models))


def test_a_changed_source_or_product_is_made_again(installed, official, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(installed[0], models)
    (models / PRODUCTS[2]).write_bytes(b"cut short")

    ready, said = run(models, official)

    assert len(ready) == 4
    assert [line.split(":")[0] for line in said if ": made " in line] == ["face3d"]


def test_every_wrong_file_is_named_before_anything_is_made(copied):
    files, models = copied
    (files / names.MANO).write_bytes(b"\x80\x02not a pickle")
    (files / names.FACE_MODEL).write_bytes(b"MATLAB 5.0 MAT-file")
    one, two = (files / names.stage(number, "hand") for number in (1, 2))
    swapped = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(swapped)
    face = files / names.stage(1, "face")
    face.write_bytes(face.read_bytes()[:-5000])

    with pytest.raises(ModelError) as refused:
        run(models, files)

    text = str(refused.value)
    for expected in (names.MANO, "MATLAB file", "swap them", "checkpoint-stage1-face.ckpt"):
        assert expected in text
    assert text.count("\n- ") == 4
    assert made(models) == []


def test_a_file_that_is_not_the_published_one_is_refused_unless_trusted(copied):
    files, models = copied

    with pytest.raises(ModelError, match="not the official files") as refused:
        run(models, files, replace(WISHES, accept_unknown=False))

    text = str(refused.value)
    for name in (names.CHECKPOINT, names.MANO, names.NET_RECON, names.FACE_MODEL, names.DINOV2):
        assert str(files / name) in text
    assert "--accept-unknown" in text
    assert made(models) == []


def test_features_without_files_are_left_out_with_a_sentence(copied):
    files, models = copied
    shutil.rmtree(files / "hamer")
    (files / names.stage(2, "face")).unlink()
    (files / names.VAE_STAGE_TWO).unlink()

    ready, said = run(models, files)

    assert ready == ["face3d", "hand-pack"]
    text = "\n".join(said)
    assert "hamer: left out, the built-in hand mesh is fitted. Missing: hamer/hamer.ckpt" in text
    assert "face-pack: left out" in text
    assert "stage two uses stage one's autoencoder" in text


def test_nothing_to_work_from_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="nothing can be made"):
        run(tmp_path / "models", None)


def test_packs_that_are_not_ours_are_not_replaced_unasked(copied):
    files, models = copied
    models.mkdir()
    (models / "hand.safetensors").write_bytes(b"mine")

    with pytest.raises(ModelError, match="not made here"):
        run(models, files)
    assert made(models) == ["hand.safetensors"]

    ready, _ = run(models, files, replace(WISHES, replace=True))
    assert "hand-pack" in ready


def test_a_full_disk_is_said_before_anything_is_made(copied, monkeypatch):
    files, models = copied
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr(official_setup.shutil, "disk_usage", lambda _: usage)

    with pytest.raises(ModelError, match=r"1\.0 MB left but [\d.]+ MB are needed"):
        run(models, files)

    assert made(models) == []


def test_a_dry_run_makes_nothing(copied):
    files, models = copied

    _, said = run(models, files, replace(WISHES, only_plan=True))

    assert any(line.startswith("In all ") for line in said)
    assert made(models) == []


def test_two_setups_in_one_folder_do_not_meet(copied):
    files, models = copied
    with official_setup._alone(models), pytest.raises(ModelError, match="is at work"):
        run(models, files)


def test_files_may_lie_side_by_side_or_be_named(copied, tmp_path):
    files, models = copied
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in (names.CHECKPOINT, names.NET_RECON, names.stage(1, "hand"), names.DINOV2):
        shutil.copy(files / name, flat)

    found = find_sources(models, flat, {names.MANO: files / names.MANO}).paths

    assert found[names.CHECKPOINT] == flat / "hamer.ckpt"
    assert found[names.stage(1, "hand")] == flat / "checkpoint-stage1-hand.ckpt"
    assert found[names.MANO] == files / names.MANO
    assert names.DINOV2 not in found  # another file of the list is called model.safetensors too
    with pytest.raises(ModelError, match="does not exist"):
        find_sources(models, None, {names.MANO: tmp_path / "no.pkl"})
    with pytest.raises(ModelError, match="is not a folder"):
        find_sources(models, tmp_path / "no", {})


def test_the_command_says_what_it_left_out_and_that_it_is_ready(copied, monkeypatch, capsys):
    files, models = copied
    monkeypatch.setenv("REALISHUMAN_MODELS", str(models))
    arguments = ["setup", "official", "--checkpoints", str(files), "--parts", "face"]

    assert main([*arguments, "--bfm", str(files / names.FACE_MODEL), "--accept-unknown"]) == 0
    said = capsys.readouterr().err
    assert main([*arguments, "--parts", "foot"]) == 2

    assert "face-pack: made face.safetensors" in said
    assert "--pack official" in said
    assert json.loads((models / NAME).read_text())["face3d"]["variant"] == "float32"
