"""A pack is read as it was written, and every kind of damage has its sentence."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from realishuman.errors import PackError
from realishuman.packs import pack_writer
from realishuman.packs.header_reader import read_header
from realishuman.packs.pack import GROUPS, METADATA_KEY, Pack
from realishuman.packs.pack_writer import Entry, write_pack
from realishuman.packs.random_pack import SMALL, initial_values, random_pack
from realishuman.packs.shapes import pack_shapes
from realishuman.progress import Interrupted, Silent


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small pack of random numbers."""
    return random_pack(tmp_path_factory.mktemp("pack") / "hand.safetensors", "hand")


def entries(**changed):
    """Entries of a small pack; `changed` gives a tensor's values by its name, dots as __."""
    values = {name.replace("__", "."): tensor for name, tensor in changed.items()}

    def load(name, shape):
        return lambda: values.get(name, torch.zeros(shape))

    return [Entry(name, shape, load(name, shape)) for name, shape in pack_shapes(SMALL).items()]


def damaged(made, path, *, metadata=None, tensors=None):
    """The pack's own tensors saved by safetensors, with other metadata or tensors."""
    with safe_open(made.path, framework="pt") as file:
        whole = {name: file.get_tensor(name) for name in made.names}
    header = metadata if metadata is not None else {METADATA_KEY: made.header.to_json()}
    save_file(whole if tensors is None else tensors(whole), path, metadata=header)
    return path


def with_header(made, **changed):
    raw = asdict(made.header) | changed
    return {METADATA_KEY: json.dumps(raw)}


def test_a_pack_is_read_as_it_was_written(made):
    again = Pack.open(made.path)

    assert again.header == made.header
    assert again.header.weights == "random"
    assert again.header.name == "random-hand"
    assert set(again.names) == pack_shapes(SMALL).keys()
    read = again.tensors("stage_two.unet.")
    assert read["conv_in.weight"].dtype is torch.float16
    for name, tensor in read.items():
        full = f"stage_two.unet.{name}"
        wanted = initial_values(full, pack_shapes(SMALL)[full], seed=0).half()
        assert torch.equal(tensor, wanted), name
    assert again.has("stage_one.")
    assert not again.has("stage_two.vae.")


def test_prompts_are_stored_unrounded_at_a_multiple_of_their_numbers_size(made, tmp_path):
    """As safetensors' own writer has it; a reader may look at the mapped bytes as they lie."""
    prompt = torch.rand(1, 77, 64)

    again = write_pack(tmp_path / "p.safetensors", made.header, entries(prompt__conditional=prompt))

    assert (prompt != prompt.half()).any()
    assert torch.equal(again.tensors("prompt.")["conditional"], prompt)
    raw = again.path.read_bytes()
    index = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    for name in ("prompt.conditional", "prompt.unconditional"):
        assert index[name]["dtype"] == "F32"
        assert index[name]["data_offsets"][0] % 4 == 0


def test_a_small_random_pack_is_below_12_mb_and_depends_on_the_seed_alone(made, tmp_path):
    same = random_pack(tmp_path / "same.safetensors", "hand")
    other = random_pack(tmp_path / "other.safetensors", "hand", seed=1)

    assert made.path.stat().st_size < 12e6
    assert same.path.read_bytes() == made.path.read_bytes()
    assert other.path.read_bytes() != made.path.read_bytes()


@pytest.mark.parametrize("keep", [0, 5, 1000, -1])
def test_a_truncated_pack_is_refused(made, tmp_path, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(made.path.read_bytes()[:keep])

    with pytest.raises(PackError, match=r"cut\.safetensors .*is incomplete"):
        Pack.open(path)


def test_other_files_are_refused(made, tmp_path):
    text = tmp_path / "text.safetensors"
    text.write_text("This is a text that is a little longer than eight bytes.")
    plain = damaged(made, tmp_path / "plain.safetensors", metadata={"format": "pt"})

    with pytest.raises(PackError, match="another kind of file"):
        Pack.open(text)
    with pytest.raises(PackError, match="not a pack"):
        Pack.open(plain)
    with pytest.raises(PackError, match="does not exist"):
        Pack.open(tmp_path / "none.safetensors")
    with pytest.raises(PackError, match="is a folder"):
        Pack.open(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 2}, "format 2, but this version reads format 1"),
        ({"colour": "blue"}, "header has unknown keys: colour"),
        ({"unet": None}, "header: unet must be a table, not None"),
        ({"vae": {"channels": [1]}}, "header: vae lacks layers, latent_channels, groups, scaling"),
        ({"weights": "good"}, "weights must be one of trained, demo, random, not 'good'"),
    ],
)
def test_a_wrong_header_is_refused(made, tmp_path, changed, message):
    path = damaged(made, tmp_path / "p.safetensors", metadata=with_header(made, **changed))

    with pytest.raises(PackError, match=message):
        Pack.open(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("resolution",), "big"),
        (("resolution",), 0),
        (("resolution",), 100),
        (("resolution",), 10**9),
        (("resolution",), 10**400),
        (("guidance",), float("inf")),
        (("kind",), ["hand"]),
        (("steps",), 0),
        (("steps",), 5000),
        (("guidance",), 0.5),
        (("margin",), 1e5),
        (("erode",), -1),
        (("unet", "channels"), "abc"),
        (("unet", "channels"), []),
        (("unet", "groups"), 7),
        (("unet", "heads"), 0),
        (("unet", "attention"), [True]),
        (("vae", "scaling"), 0),
        (("vae", "scaling"), 10**400),
        (("vae", "scaling"), True),
        (("vae", "layers"), None),
        (("pose",), None),
        (("keep_core",), 1),
        (("image_encoder", "heads"), 7),
        (("image_encoder", "patch"), 0),
        (("schedule", "train_steps"), "5"),
        (("schedule", "beta_end"), -3.0),
        (("schedule", "offset"), 5000),
    ],
)
def test_a_header_that_no_network_can_have_is_refused(made, field, value):
    header = json.loads(made.header.to_json())
    inner = header
    for name in field[:-1]:
        inner = inner[name]
    inner[field[-1]] = value

    with pytest.raises(PackError, match=f"here: header.*{field[0]}"):
        read_header(json.dumps(header), "here")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"steps": ' + "9" * 5000 + "}"])
def test_a_header_that_is_not_json_is_refused(made, tmp_path, text):
    path = damaged(made, tmp_path / "p.safetensors", metadata={METADATA_KEY: text})

    with pytest.raises(PackError, match="not JSON"):
        Pack.open(path)


@pytest.mark.parametrize("group", GROUPS)
def test_a_missing_group_is_named(made, tmp_path, group):
    def without(tensors):
        return {name: t for name, t in tensors.items() if not name.startswith(group)}

    path = damaged(made, tmp_path / "p.safetensors", tensors=without)

    with pytest.raises(PackError, match=rf"no tensors named {group}\*"):
        Pack.open(path)


def test_nan_in_a_pack_is_found_when_the_tensor_is_read(made, tmp_path):
    def spoil(tensors):
        tensors["vae.quant_conv.bias"][3] = float("nan")
        return tensors

    pack = Pack.open(damaged(made, tmp_path / "p.safetensors", tensors=spoil))

    with pytest.raises(PackError, match=r"vae\.quant_conv\.bias holds NaN or infinity"):
        pack.tensors("vae.")


def refuses(folder, header, given, message, progress=None, error=PackError):
    """The write fails with this message, an older pack survives, and no other file is left."""
    target = folder / "p.safetensors"
    target.write_text("older")
    with pytest.raises(error, match=message):
        write_pack(target, header, given, progress)
    assert target.read_text() == "older"
    assert os.listdir(folder) == ["p.safetensors"]  # noqa: PTH208 - hidden ones too


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"vae\.quant_conv\.bias holds NaN or infinity"),
        (float("-inf"), r"vae\.quant_conv\.bias holds NaN or infinity"),
        (-7e4, r"vae\.quant_conv\.bias holds 7e\+04, more than float16 can"),
    ],
)
def test_numbers_that_float16_cannot_hold_are_not_written(made, tmp_path, value, message):
    bad = torch.zeros(8)
    bad[5] = value

    refuses(tmp_path, made.header, entries(vae__quant_conv__bias=bad), message)


def test_a_tensor_that_turns_out_otherwise_is_not_written(made, tmp_path):
    whole = torch.zeros(8, dtype=torch.int64)

    refuses(tmp_path, made.header, entries(vae__quant_conv__bias=whole), "expected")
    refuses(tmp_path, made.header, entries(vae__quant_conv__bias=torch.zeros(7)), "expected")


def test_tensors_the_header_does_not_promise_are_not_written(made, tmp_path):
    given = entries()
    wider = replace(made.header, image_encoder=replace(made.header.image_encoder, width=96))

    refuses(tmp_path, made.header, given[1:], "1 missing")
    refuses(tmp_path, made.header, [*given, Entry("more", (1,), given[0].load)], "unexpected: more")
    refuses(tmp_path, made.header, [*given, given[0]], "same name")
    refuses(tmp_path, wider, given, "misshapen: image_encoder")
    refuses(tmp_path, replace(made.header, kind="tail"), given, "'tail' is not a kind of part")
    refuses(
        tmp_path,
        replace(made.header, preset="mine"),
        given,
        "preset must be one of released, paper, not 'mine'",
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
def test_stopping_leaves_nothing_behind(made, tmp_path, error):
    class Stop(Silent):
        steps = 0

        def step(self, count=1):
            self.steps += count
            if self.steps == 50:
                raise error

    refuses(tmp_path, made.header, entries(), None, Stop(), error)


def test_every_tensor_is_one_step(made, tmp_path):
    class Count(Silent):
        steps = total = 0

        def begin(self, stage, total):
            self.total = total

        def step(self, count=1):
            self.steps += count

    count = Count()
    write_pack(tmp_path / "p.safetensors", made.header, entries(), count)

    assert count.steps == count.total == len(made.names)


def test_a_disk_that_is_too_small_is_seen_before_writing(made, tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 1_000_000})
    monkeypatch.setattr(pack_writer.shutil, "disk_usage", lambda folder: usage)

    refuses(tmp_path, made.header, entries(), r"0\.00 GB left but the pack takes 0\.01 GB")


def test_a_disk_that_fills_up_leaves_nothing_behind(made, tmp_path):
    resource = pytest.importorskip("resource")  # POSIX: make the system refuse files above 5 MB
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, limits[1]))
    try:
        refuses(tmp_path, made.header, entries(), "is full or allows no file of this size")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_folder_that_cannot_be_written_to_has_a_sentence(made, tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PackError, match="is not a folder"):
        write_pack(tmp_path / "none/p.safetensors", made.header, entries())
    with pytest.raises(PackError, match="is a folder"):
        write_pack(tmp_path, made.header, entries())
    (tmp_path / "mine.toml").write_text("precious", encoding="utf-8")
    with pytest.raises(PackError, match=r"ends in \.safetensors"):
        write_pack(tmp_path / "mine.toml", made.header, entries())
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == "precious"
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(PackError, match="may not be written to"):
        write_pack(tmp_path / "p.safetensors", made.header, entries())


def test_a_header_survives_its_json(made):
    assert read_header(made.header.to_json(), "here") == made.header
