"""Downloads a listed model file when the user asks for it, checks it, and only then names it so.

Until then it is a hidden partial file beside its place; the next attempt goes on from there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from realishuman.downloads.manifest import KnownFile
from realishuman.downloads.partial import Partial, disk_error
from realishuman.downloads.transfer import DownloadRefusedError, Patience, Wanted, transfer
from realishuman.errors import ModelError
from realishuman.files.fingerprint import digest, read_record, record, record_path
from realishuman.progress import Progress, Silent

OFFLINE = "REALISHUMAN_OFFLINE"  # environment variable: 1 forbids every download
ENDPOINT = "HF_ENDPOINT"  # environment variable: another address for huggingface.co
log = logging.getLogger(__name__)
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Fetched:
    """A file that is where it belongs.

    new   whether it was downloaded now.
    note  a sentence if no hash is published for it, else empty.
    """

    path: Path
    sha256: str
    new: bool
    note: str


def offline(asked: bool = False) -> bool:
    """Whether downloads are forbidden, by the caller or by the environment."""
    return asked or os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")


def by_hand(file: KnownFile, folder: Path) -> str:
    """How to get the file without us."""
    place = f"put it at {file.path(folder)}"
    if file.how == "user":
        return f"{file.by_hand} The page: {file.page}. Then {place}."
    check = f" Its SHA-256 must be {file.sha256}." if file.sha256 else ""
    return f"Download {' or '.join(file.urls)} and {place}.{check}"


def fetch(
    file: KnownFile,
    folder: Path,
    *,
    agreed: Collection[str] = (),
    no_network: bool = False,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Download a file, or find that it is there already and right.

    agreed      names of licences the user has agreed to.
    no_network  refuse to download, as the environment variable REALISHUMAN_OFFLINE=1 does.
    progress    steps are bytes; what it raises stops the download, which can go on later.

    Raises ModelError if it may not or cannot be downloaded; the message says what to do by hand.
    """
    if file.how != "auto":
        raise ModelError(f"{file.name} is not downloaded for you. {_instead(file, folder)}")
    progress = progress or Silent()
    path = file.path(folder)
    part = Partial(path)
    try:
        if (found := _there(file, folder, progress)) is not None:
            return found
        check_allowed(file, folder, agreed, no_network)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part):
            if (found := _there(file, folder, progress)) is not None:
                return found  # somebody else was faster
            sha256 = _download(file, folder, part, progress, patience)
            part.finish()
            if not file.sha256:
                record(path, sha256)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    return Fetched(path, sha256, True, _note(file, path, sha256))


def check_allowed(
    file: KnownFile, folder: Path, agreed: Collection[str], no_network: bool = False
) -> None:
    """Raise ModelError if the user or the licence is against its download."""
    if offline(no_network):
        raise ModelError(
            f"{file.name} is missing and downloads are switched off (--offline or {OFFLINE}). "
            f"On a machine with a network: {by_hand(file, folder)}"
        )
    if file.licence.ask and file.licence.name not in agreed:
        raise ModelError(
            f"{file.name} comes under {file.licence.title}: {file.licence.says} "
            f"({file.licence.url}). Agree to it first; scripts can pass --accept-licence "
            f"{file.licence.name}."
        )


def _instead(file: KnownFile, folder: Path) -> str:
    if file.how == "made":
        return "It is made on this machine, out of the other files."
    return by_hand(file, folder)


def _there(file: KnownFile, folder: Path, progress: Progress) -> Fetched | None:
    """The file if it is in its place and right; one that nothing is known of is taken as it is."""
    path = file.path(folder)
    if not path.is_file() or file.bytes not in (None, path.stat().st_size):
        return None
    expected, found = file.sha256 or read_record(path), digest(path, progress)
    if expected is None:
        record(path, found)
    elif found != expected:
        return None
    return Fetched(path, found, False, _note(file, path, found))


def _note(file: KnownFile, path: Path, sha256: str) -> str:
    if file.sha256:
        return ""
    return (
        f"Nobody published a hash of {file.name}, so only its size and the connection could be "
        f"checked. Its SHA-256 is {sha256}; it is recorded in {record_path(path).name} beside it, "
        "and later checks compare with that."
    )


@contextmanager
def _alone(part: Partial) -> Iterator[None]:
    """Hold the file's lock, which the system frees even if the process is killed."""
    lock = FileLock(part.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ModelError(
            f"{part.final.name} is being downloaded already, by this or another program: wait for "
            "it, or stop it there."
        ) from error
    except NotImplementedError:  # a network drive without locks: nobody can be kept out
        log.warning("%s has no file locks: run one download at a time", part.final.parent)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes it itself, once nobody holds it
            part.lock.unlink()
        lock.release()


def _download(
    file: KnownFile, folder: Path, part: Partial, progress: Progress, patience: Patience | None
) -> str:
    """Complete and check the partial file from the first address that gives it; its SHA-256."""
    failures = []
    for url in _addresses(file):
        try:
            return _from(url, file, folder, part, progress, patience)
        except DownloadRefusedError as error:
            failures.append(f"{url}: {error}")
    raise ModelError(
        f"{file.name} could not be downloaded. {'; '.join(failures)}. Try again later, or by hand: "
        f"{by_hand(file, folder)}"
    )


def _from(
    url: str,
    file: KnownFile,
    folder: Path,
    part: Partial,
    progress: Progress,
    patience: Patience | None,
) -> str:
    expected = file.sha256 or read_record(file.path(folder))
    wanted = Wanted(file.bytes, file.about, pinned=expected is not None)
    for _ in range(2):
        resumed = part.length() > 0
        if not resumed or part.length() != file.bytes:
            transfer(url, part, wanted, progress, patience)
        found = digest(part.path, progress)
        if expected in (None, found):
            return found
        part.discard()
        if not resumed:  # otherwise halves of different files may have met: once more
            break
    raise DownloadRefusedError(f"what it sent has SHA-256 {found}, expected {expected}{_why(file)}")


def _why(file: KnownFile) -> str:
    if file.sha256:
        return ": the file there is damaged or another one"
    return f" as at its first download; delete {Path(file.name).name}.sha256 to accept the new one"


def _addresses(file: KnownFile) -> list[str]:
    """Where to look, in order; HF_ENDPOINT takes the place of huggingface.co."""
    endpoint = os.environ.get(ENDPOINT, _HUB).rstrip("/")
    if not endpoint.startswith("https://"):
        raise ModelError(f"{ENDPOINT} is {endpoint}: it must start with https://, or be unset.")
    return [
        endpoint + url.removeprefix(_HUB) if url.startswith(f"{_HUB}/") else url
        for url in file.urls
    ]
