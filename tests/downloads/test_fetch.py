from __future__ import annotations

import errno
import hashlib
import random
import threading
import urllib.request
from dataclasses import replace
from http.client import HTTPMessage

import pytest

from realishuman.downloads import partial
from realishuman.downloads.fetch import ENDPOINT, OFFLINE, fetch
from realishuman.downloads.manifest import KnownFile, find_known
from realishuman.downloads.partial import Partial
from realishuman.downloads.transfer import DownloadRefusedError, Patience, _Redirects
from realishuman.errors import ModelError
from realishuman.files.fingerprint import read_record, record_path
from realishuman.progress import Interrupted
from tests.file_server import FileServer

CONTENT = random.Random(1).randbytes(700_000)  # more than two blocks
HASH = hashlib.sha256(CONTENT).hexdigest()
FAST = Patience(silence=0.3, tries=3, sleep=lambda _seconds: None)


class Counter:
    """Counts bytes; stops the download at `stop`."""

    def __init__(self, stop=None):
        self.stop, self.stages, self.total, self.done = stop, [], 0, 0

    def begin(self, stage, total):
        self.stages.append(stage)
        self.total, self.done = total, 0

    def step(self, count=1):
        self.done += count
        if self.stop is not None and self.done >= self.stop:
            raise Interrupted


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (OFFLINE, ENDPOINT, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with FileServer(CONTENT).running() as running:
        yield running


@pytest.fixture
def file(server):
    """A listed file that the server has."""
    return replace(
        find_known("dwpose/yolox_l.onnx"),
        name="dwpose/net.onnx",
        urls=(server.url(),),
        bytes=len(CONTENT),
        sha256=HASH,
    )


@pytest.fixture
def unpublished(file):
    """A listed file whose size and hash nobody published."""
    return replace(file, name="face3d/net.pth", bytes=None, sha256=None)


def left(folder):
    """Names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def get(file: KnownFile, folder, **options):
    return fetch(file, folder, patience=FAST, **options)


def test_a_file_arrives_whole_under_its_name_and_nothing_else_is_left(file, tmp_path):
    seen = Counter()

    fetched = get(file, tmp_path, progress=seen)

    assert fetched.path.read_bytes() == CONTENT
    assert (fetched.new, fetched.sha256, fetched.note) == (True, HASH, "")
    assert left(tmp_path) == ["net.onnx"]
    assert seen.stages == ["net.onnx", "checking .net.onnx.part"]
    assert seen.done == seen.total == len(CONTENT)


def test_a_file_that_is_there_and_right_is_not_asked_for_again(file, tmp_path, server):
    get(file, tmp_path)

    assert not get(file, tmp_path).new
    assert not get(file, tmp_path, no_network=True).new
    assert len(server.asked) == 1


def test_a_file_that_is_there_and_wrong_is_replaced(file, tmp_path):
    path = file.path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"x" * len(CONTENT))

    assert get(file, tmp_path).new
    assert path.read_bytes() == CONTENT


def test_after_a_cut_only_the_rest_is_asked_for(file, tmp_path, server):
    server.plan = ["cut 300000", "cut 100000"]

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert [asked[1:] for asked in server.asked] == [
        (None, None), ("bytes=300000-", '"first"'), ("bytes=400000-", '"first"'),
    ]  # fmt: skip


def test_a_stopped_download_goes_on_in_another_run(file, tmp_path, server):
    with pytest.raises(Interrupted):
        get(file, tmp_path, progress=Counter(stop=200_000))
    kept = Partial(file.path(tmp_path)).length()
    assert 200_000 <= kept < len(CONTENT)
    assert not file.path(tmp_path).exists()

    seen = Counter()
    assert get(file, tmp_path, progress=seen).path.read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={kept}-"


def test_a_stall_is_a_cut(file, tmp_path, server):
    server.plan = ["stall 300000"]

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert server.asked[1][1] == "bytes=300000-"


def test_a_server_that_only_stalls_is_given_up(file, tmp_path, server):
    server.plan = ["stall 0"] * 3

    with pytest.raises(ModelError, match="went silent, 3 times in a row"):
        get(file, tmp_path)


@pytest.mark.parametrize("plan", ["whole", "elsewhere"])
def test_a_server_without_ranges_sends_everything_again(plan, file, tmp_path, server):
    server.plan = ["cut 300000", plan]

    assert get(file, tmp_path).path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(unpublished, tmp_path, server):
    with pytest.raises(Interrupted):
        get(unpublished, tmp_path, progress=Counter(stop=200_000))
    server.content, server.etag = CONTENT[::-1], '"second"'

    assert get(unpublished, tmp_path).path.read_bytes() == CONTENT[::-1]
    assert server.asked[-1][2] == '"first"'


def test_without_hash_and_validator_nothing_is_joined(unpublished, tmp_path, server):
    server.etag = ""
    server.plan = ["cut 300000"]

    assert get(unpublished, tmp_path).path.read_bytes() == CONTENT
    assert [asked[1] for asked in server.asked] == [None, None]


def test_a_wrong_hash_leaves_nothing_under_any_name(file, tmp_path, server):
    server.plan = ["corrupt"]

    with pytest.raises(ModelError, match=f"expected {HASH}: the file there is damaged") as raised:
        get(file, tmp_path)

    assert left(tmp_path) == []
    assert str(file.path(tmp_path)) in str(raised.value)  # by hand


def test_two_halves_that_do_not_fit_are_fetched_once_more(file, tmp_path, server):
    part = Partial(file.path(tmp_path))
    part.final.parent.mkdir()
    part.path.write_bytes(b"x" * 1000)

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert [asked[1] for asked in server.asked] == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_is_thrown_away(file, tmp_path, server):
    part = Partial(file.path(tmp_path))
    part.final.parent.mkdir()
    part.path.write_bytes(CONTENT + b"more")

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert server.asked[0][1] is None


def test_a_part_that_is_whole_already_needs_no_server(file, tmp_path, server):
    part = Partial(file.path(tmp_path))
    part.final.parent.mkdir()
    part.path.write_bytes(CONTENT)

    assert get(file, tmp_path).new
    assert server.asked == []


def test_a_range_beyond_the_end_starts_over(unpublished, tmp_path, server):
    with pytest.raises(Interrupted):
        get(unpublished, tmp_path, progress=Counter(stop=200_000))
    server.content = CONTENT[:1000]

    assert get(unpublished, tmp_path).path.read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("code", [403, 404])
def test_a_refusal_is_not_asked_again_and_says_what_to_do_by_hand(code, file, tmp_path, server):
    server.plan = [f"status {code}"]

    with pytest.raises(ModelError, match=f"the server says {code}") as raised:
        get(file, tmp_path)

    assert len(server.asked) == 1
    assert f"Download {server.url()} and put it at {file.path(tmp_path)}" in str(raised.value)


def test_a_server_in_trouble_is_asked_again(file, tmp_path, server):
    server.plan = ["status 500", "status 503"]

    assert get(file, tmp_path).path.read_bytes() == CONTENT


def test_a_server_that_stays_in_trouble_is_given_up(file, tmp_path, server):
    server.plan = ["status 500"] * 3

    with pytest.raises(ModelError, match=r"500 .*3 times in a row"):
        get(file, tmp_path)
    assert server.plan == []


def test_nobody_at_the_address_is_said_so(file, tmp_path):
    gone = replace(file, urls=("http://127.0.0.1:9/net.onnx",))

    with pytest.raises(ModelError, match="the connection failed"):
        get(gone, tmp_path)


def test_mirrors_are_asked_in_order_and_share_what_is_there(file, tmp_path, server):
    file = replace(file, urls=(server.url("/one"), server.url("/two")))
    server.plan = ["cut 300000", "status 404"]

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert [(path, begins) for path, begins, _ in server.asked] == [
        ("/one", None), ("/one", "bytes=300000-"), ("/two", "bytes=300000-"),
    ]  # fmt: skip


def test_redirects_are_followed_and_keep_the_range(file, tmp_path, server):
    server.plan = ["to /elsewhere", "cut 300000", "to /elsewhere"]

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert server.asked[-1][:2] == ("/elsewhere", "bytes=300000-")


def test_a_circle_of_redirects_ends(file, tmp_path, server):
    server.plan = ["to /file.bin"] * 50

    with pytest.raises(ModelError, match="302"):
        get(file, tmp_path)


@pytest.mark.parametrize("target", ["http://example.com/a", "ftp://example.com/a"])
def test_https_never_becomes_less(target):
    request = urllib.request.Request("https://example.com/a")

    with pytest.raises(DownloadRefusedError, match="not protected by https"):
        _Redirects().redirect_request(request, None, 302, "", HTTPMessage(), target)


def test_another_size_is_refused_before_anything_is_written(file, tmp_path, server):
    server.plan = ["short"]

    with pytest.raises(ModelError, match="it offers 699999 bytes, expected 700000"):
        get(file, tmp_path)
    assert left(tmp_path) == []


def test_a_rough_size_allows_for_rounding_only(unpublished, tmp_path):
    assert get(replace(unpublished, about=696_000), tmp_path).new
    unpublished.path(tmp_path).unlink()
    with pytest.raises(ModelError, match="expected 600000"):
        get(replace(unpublished, about=600_000), tmp_path)


def test_a_length_that_is_not_told_needs_a_hash(file, unpublished, tmp_path, server):
    server.plan = ["endless"] * 2

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    with pytest.raises(ModelError, match="does not say how long"):
        get(unpublished, tmp_path)


def test_more_than_the_file_is_not_read(file, tmp_path, server):
    server.content, server.plan = CONTENT + b"more", ["endless"]

    with pytest.raises(ModelError, match="more than it said"):
        get(file, tmp_path)


def test_without_a_published_hash_the_first_one_is_recorded_and_said(unpublished, tmp_path):
    fetched = get(unpublished, tmp_path)

    assert HASH in fetched.note
    assert "Nobody published a hash" in fetched.note
    assert read_record(fetched.path) == HASH
    assert record_path(fetched.path).read_text() == f"{HASH}  net.pth\n"


def test_later_downloads_are_held_against_the_recorded_hash(unpublished, tmp_path, server):
    get(unpublished, tmp_path).path.unlink()
    server.content = CONTENT[::-1]

    with pytest.raises(ModelError, match=r"delete net\.pth\.sha256 to accept the new one"):
        get(unpublished, tmp_path)
    assert left(tmp_path) == ["net.pth.sha256"]


def test_a_file_put_there_by_hand_is_taken_and_recorded(unpublished, tmp_path, server):
    path = unpublished.path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"by hand")

    assert not get(unpublished, tmp_path).new
    assert read_record(path) == hashlib.sha256(b"by hand").hexdigest()
    assert server.asked == []


def test_two_downloads_of_one_file_do_not_meet(file, tmp_path, server):
    server.plan = ["stall 1000"]
    patient = Patience(silence=5, sleep=lambda _seconds: None)
    first = threading.Thread(target=fetch, args=(file, tmp_path), kwargs={"patience": patient})
    first.start()
    while not Partial(file.path(tmp_path)).length():
        server.released.wait(0.01)

    with pytest.raises(ModelError, match="is being downloaded already"):
        get(file, tmp_path)

    server.released.set()
    first.join()
    assert file.path(tmp_path).read_bytes() == CONTENT
    assert left(tmp_path) == ["net.onnx"]


def test_a_drive_without_locks_is_said_so_and_works(file, tmp_path, monkeypatch, caplog):
    def unsupported(*_arguments, **_options):
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", unsupported)

    assert get(file, tmp_path).new
    assert "has no file locks" in caplog.text


def test_a_full_disk_keeps_what_was_written_for_later(file, tmp_path, monkeypatch):
    def full_after(out, block, _write=partial._write):
        if out.tell() > 300_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        _write(out, block)

    with monkeypatch.context() as patched:
        patched.setattr(partial, "_write", full_after)
        with pytest.raises(ModelError, match="no space is left in"):
            get(file, tmp_path)

    assert not file.path(tmp_path).exists()
    assert Partial(file.path(tmp_path)).length() > 300_000
    assert get(file, tmp_path).path.read_bytes() == CONTENT


def test_too_little_space_is_noticed_before_the_download(file, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda _folder: usage)

    with pytest.raises(ModelError, match=r"needed but only 0 MB are free"):
        get(file, tmp_path)
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said_so(file, tmp_path, monkeypatch):
    (tmp_path / "dwpose").write_text("a file where a folder should be")

    with pytest.raises(ModelError, match="cannot be written to"):
        get(file, tmp_path)


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_means_offline(how, file, tmp_path, server, monkeypatch):
    if how == "environment":
        monkeypatch.setenv(OFFLINE, "1")

    with pytest.raises(ModelError, match="downloads are switched off") as raised:
        get(file, tmp_path, no_network=how == "argument")

    assert server.asked == []
    for part in (file.urls[0], str(file.path(tmp_path)), HASH):
        assert part in str(raised.value)


def test_a_licence_that_must_be_agreed_to_is_asked_for(file, tmp_path, server):
    licence = find_known(
        "stable-diffusion-inpainting/vae/diffusion_pytorch_model.safetensors"
    ).licence
    file = replace(file, licence=licence)

    with pytest.raises(ModelError, match="--accept-licence OpenRAIL-M"):
        get(file, tmp_path)
    assert server.asked == []
    assert get(file, tmp_path, agreed=["OpenRAIL-M"]).new


@pytest.mark.parametrize("name", ["mano/MANO_RIGHT.pkl", "hamer/hamer.onnx"])
def test_what_is_not_ours_to_download_is_not_downloaded(name, tmp_path):
    with pytest.raises(ModelError, match="is not downloaded for you"):
        get(find_known(name), tmp_path, agreed=["MANO"])
    assert left(tmp_path) == []


def test_proxies_of_the_environment_are_used(file, tmp_path, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url("/"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    file = replace(file, urls=("http://models.invalid/net.onnx",))

    assert get(file, tmp_path).path.read_bytes() == CONTENT
    assert server.asked[0][0] == "http://models.invalid/net.onnx"


def test_another_address_may_stand_for_the_hub(tmp_path, monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://mirror.invalid")
    with pytest.raises(ModelError, match="must start with https"):
        get(find_known("dwpose/yolox_l.onnx"), tmp_path)

    asked = []

    def refuse(url, *_rest):
        asked.append(url)
        raise DownloadRefusedError("not here")

    monkeypatch.setattr("realishuman.downloads.fetch.transfer", refuse)
    monkeypatch.setenv(ENDPOINT, "https://mirror.invalid/")
    with pytest.raises(ModelError, match=r"mirror\.invalid"):
        get(find_known("dwpose/yolox_l.onnx"), tmp_path)
    assert [url.split("/")[2] for url in asked] == ["mirror.invalid", "github.com"]
