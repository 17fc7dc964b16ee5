"""What a picture, a pack, a network or a request from a stranger can do: docs/security.md."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import subprocess
import time
import zipfile
import zlib
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from realishuman.batch.outputs import plan
from realishuman.downloads.manifest import LIST, read_manifest
from realishuman.errors import ModelError, PackError, PictureError, RealisHumanError
from realishuman.files.whole import whole_file
from realishuman.imaging import exif
from realishuman.imaging.picture import load_picture, picture_from
from realishuman.official.pickles import read_pickle
from realishuman.packs.checkpoint import open_checkpoint
from realishuman.packs.header_reader import read_header
from realishuman.packs.pack import Pack
from realishuman.packs.store import find_installed
from realishuman.parts.origin import origin_of
from realishuman.webui.http.api import BODY, Limits, RefusedError, read_request
from tests.fuzz import seeds
from tests.fuzz.targets import confined

ADDRESSES = (
    "http://127.0.0.1:1/x.png", "https://169.254.169.254/latest/meta-data", "file:///etc/passwd",
    "//127.0.0.1/share/x.png", "\\\\127.0.0.1\\share\\x.png", "/etc/passwd", "../../etc/passwd",
    "ftp://127.0.0.1/x", "data:image/png;base64,http://127.0.0.1/", "C:\\x.png",
)  # fmt: skip
OUTSIDE = ("../x", "/etc/passwd", "..\\x", "C:\\x", "a/../../x", "\\\\host\\share\\x")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("field", ["image", "images", "hand_pack", "face_pack"])
def test_no_address_and_no_path_of_a_request_is_opened(field, address, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("pathlib.Path.open", lambda path, *_: opened.append(path))
    body = {"image": base64.b64encode(seeds.pictures()[0]).decode()}
    body = {field: [address]} if field == "images" else {**body, field: address}
    refused = nullcontext()
    if field in ("image", "images"):
        refused = pytest.raises(RefusedError, match="base64")
    with confined(tmp_path), refused:  # connecting is an Escape
        read_request(body, Limits())
    assert opened == []
    assert set(body) <= set(BODY)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_pack_cannot_be_named_by_a_path(name, tmp_path):
    with pytest.raises(PackError, match="no pack for hands"):
        find_installed(tmp_path).pick("hand", name)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_pack_cannot_take_its_encoder_from_elsewhere(name):
    header = json.loads(seeds.packs()[1]) | {"encoder_file": name}

    with pytest.raises(PackError, match="leaves the pack's folder"):
        read_header(json.dumps(header), "it")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_list_of_model_files_cannot_write_elsewhere(name, tmp_path):
    listed = json.loads(LIST.read_text("utf-8"))
    listed["files"][0]["name"] = name
    path = tmp_path / "list.json"
    path.write_text(json.dumps(listed))

    with pytest.raises(ModelError, match="leaves the models folder"):
        read_manifest(path)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_network_cannot_read_weights_from_elsewhere(name, tmp_path):
    from onnx import TensorProto, load_from_string

    from realishuman.onnx_files.session import open_session

    model = load_from_string(seeds.networks()[0])
    (one,) = model.graph.initializer
    one.ClearField("raw_data")
    one.ClearField("float_data")
    one.data_location = TensorProto.EXTERNAL
    entry = one.external_data.add()
    entry.key, entry.value = "location", name
    path = tmp_path / "it.onnx"
    path.write_bytes(model.SerializeToString())

    with pytest.raises(ModelError, match="outside its own folder"):
        open_session(path, None, provider="cpu")


def test_a_picture_whose_file_is_postscript_runs_no_ghostscript(tmp_path, monkeypatch):
    ran = []
    for name in ("check_call", "run", "Popen", "call"):
        monkeypatch.setattr(subprocess, name, lambda *given, **_: ran.append(given))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "/bin/true")
    path = tmp_path / "it.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")

    with pytest.raises(PictureError, match="not a picture"):
        load_picture(path)

    assert ran == []


def test_a_file_of_few_bytes_that_says_it_is_huge_is_refused_before_it_is_unpacked():
    content = seeds.bomb(40_000, 40_000)
    began = time.process_time()

    assert len(content) < 3000
    with pytest.raises(PictureError, match="megapixels"):
        picture_from(content, "it")
    assert time.process_time() - began < 1
    with pytest.raises(PictureError, match="megapixels"):
        picture_from(seeds.bomb(9000, 9000), "it", 64_000_000)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_text_that_unpacks_to_gigabytes_costs_the_text_only(name):
    engine = zlib.compressobj(9)
    block = bytes(2**20)
    packed = b"".join([engine.compress(block) for _ in range(200)]) + engine.flush()
    data = b"x\0\0" + packed
    chunk = struct.pack(">I", len(data)) + name + data
    chunk += struct.pack(">I", zlib.crc32(name + data))
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "PNG")
    content = plain.getvalue()

    loaded = picture_from(content[:33] + chunk + content[33:], "it")

    assert loaded.rgb.shape == (8, 8, 3)
    assert "64 MiB" in str(loaded.metadata.lost)
    assert loaded.metadata.icc == b""


def test_exif_whose_directories_hold_each_other_is_read_in_no_time():
    """4096 entries, each a directory of the same entries: they stand for 4096 to the third."""
    count = 4096
    entries = b"".join(
        struct.pack(">HHII", exif.EXIF_DIRECTORY, exif.LONG, 1, 8) for _ in range(count)
    )
    blob = exif.header(">") + struct.pack(">H", count) + entries + bytes(4)
    began = time.process_time()

    with pytest.raises(exif.ExifError, match="more than the file"):
        exif.read(blob)

    assert time.process_time() - began < 1


def test_exif_whose_entries_share_their_bytes_takes_no_more_memory_than_the_file():
    large, count = 2**20, 1000
    start = 8 + 2 + 12 * count + 4
    entries = b"".join(
        struct.pack(">HHII", 300 + number, exif.UNDEFINED, large, start) for number in range(count)
    )
    blob = exif.header(">") + struct.pack(">H", count) + entries + bytes(4 + large)

    with pytest.raises(exif.ExifError, match="more than the file"):
        exif.read(blob)


def test_pythons_spelling_of_bytes_in_a_png_is_not_given_to_python():
    from realishuman.imaging.metadata import EXIF_TEXTS

    content = bytes(range(256)) + b"'\"\\"
    assert EXIF_TEXTS["exif"](repr(content)) == content
    assert EXIF_TEXTS["exif"](repr(b"it's")) == b"it's"
    for text in ("-" * 10**6 + "1", "[" * 10**6, "open('x')", "b'\\u1234'", "b'"):
        with pytest.raises(ValueError, match=r".+"):
            EXIF_TEXTS["exif"](text)


def test_a_picture_cannot_ask_for_any_number_of_steps():
    for steps in ("999999999", "0", "9" * 5000, "-1", "1e9"):
        assert origin_of(f"x\nSteps: {steps}, Sampler: a, CFG scale: 7").steps is None
    for scale in ("inf", "nan", "-3", "1e300"):
        assert origin_of(f"x\nSteps: 9, Sampler: a, CFG scale: {scale}").guidance is None
    known = origin_of("x\nSteps: 20, Sampler: a, CFG scale: 7.5")
    assert (known.steps, known.guidance) == (20, 7.5)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04N" + b"r\xff\xff\xff\x7f" + b".",  # a value given number 2**31 - 1
        b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",  # an array of a terabyte
        b"\x80\x04" + b"]\x94" + b"".join(  # lists of lists of lists
            b"]\x94(" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"e" for n in range(60)
        ) + b".",
    ],
    ids=["number", "array", "lists"],
)  # fmt: skip
def test_a_few_bytes_of_a_pickle_cannot_take_all_memory(content, tmp_path):
    import resource

    path = tmp_path / "it.pkl"
    path.write_bytes(content)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    sound = b"r\xff" in content
    with nullcontext() if sound else pytest.raises(ModelError, match="Fetch it again"):
        read_pickle(path, "a pickle")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB
    assert time.process_time() - began < 20


def test_a_checkpoint_whose_table_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "it.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data.pkl", "w", force_zip64=True) as file:
            for _ in range(300):
                file.write(bytes(2**20))

    with pytest.raises(PackError, match="256 MB"):
        open_checkpoint(path, "a checkpoint")


class Runs:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["it.pkl", "it.ckpt", "it.safetensors"])
def test_no_code_of_a_checkpoint_runs(name, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / name
    content = pickle.dumps({"a": Runs(marker)})
    if name == "it.ckpt":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    else:
        path.write_bytes(content)

    for read in (lambda p: read_pickle(p, "it"), lambda p: open_checkpoint(p, "it"), Pack.open):
        with pytest.raises(RealisHumanError, match=r"\w+ \w+"):
            read(path)

    assert not marker.exists()


def test_a_pack_that_describes_an_endless_network_is_refused_before_one_is_built():
    for field, key, value in (
        ("unet", "layers", 10**9), ("image_encoder", "depth", 10**9),
        ("vae", "channels", [4] * 1000), ("unet", "channels", [2**40] * 2),
    ):  # fmt: skip
        header = json.loads(seeds.packs()[1])
        header[field][key] = value
        with pytest.raises(PackError, match=key):
            read_header(json.dumps(header), "it")


def test_a_link_in_the_output_folder_is_replaced_and_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("dear")
    link = tmp_path / "out.png"
    link.symlink_to(precious)

    with whole_file(link) as file:
        file.write(b"new")

    assert precious.read_text() == "dear"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_a_link_to_a_picture_as_the_output_does_not_overwrite_the_picture(tmp_path):
    source = tmp_path / "in.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(source)
    (tmp_path / "out.png").symlink_to(source)
    before = source.read_bytes()

    (one,) = plan([(source, tmp_path / "out.png")])
    with whole_file(one.target) as file:
        file.write(b"new")

    assert source.read_bytes() == before


def test_a_request_that_nests_without_end_gets_an_answer():
    fastapi = pytest.importorskip("fastapi", reason="fastapi comes with the WebUIs")
    pytest.importorskip("httpx", reason="FastAPI's test client needs httpx")
    from fastapi.testclient import TestClient

    from realishuman.progress import Silent
    from realishuman.webui.http.routes import PREFIX, Service, add_routes

    def fails(_packs):
        raise RuntimeError("/home/ann/models: boom")

    service = Service(
        engine=fails, exclusive=nullcontext, progress=lambda: nullcontext(Silent()),
        schema=dict, saved=dict, list_saved=dict, models=dict, doctor=dict, credentials={},
    )  # fmt: skip
    app = fastapi.FastAPI()
    add_routes(app, service)
    client = TestClient(app)

    assert client.post(f"{PREFIX}/refine", content=b"[" * 10**6).status_code == 422
    length = {"content-length": "\xb2".encode("latin-1")}
    with client.stream("POST", f"{PREFIX}/refine", content=iter([b"{}"]), headers=length) as got:
        assert got.status_code == 422
    body = {"image": base64.b64encode(seeds.pictures()[0]).decode()}
    answer = client.post(f"{PREFIX}/refine", json=body)
    assert answer.status_code == 500
    assert answer.json()["detail"]["message"] == "RuntimeError: models: boom"
