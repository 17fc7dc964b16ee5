"""Brings a file from one address into a partial file, going on where an earlier attempt ended.

Uses urllib, which honours the environment's proxies. What may be fetched, which address comes
next and whether the content is right is the business of downloads.fetch.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from realishuman.downloads.partial import Origin, Partial
from realishuman.errors import ModelError
from realishuman.progress import Progress

_BLOCK = 1 << 18
_ROUGH = 0.01  # a rough size was rounded to three digits at least
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)$")


class DownloadRefusedError(ModelError):
    """This address does not give the file; another one may."""


class _PassingError(Exception):
    """The connection or the server failed in a way that may pass."""


@dataclass(frozen=True)
class Patience:
    """How long a server may let us down.

    silence  seconds without a byte that count as a stall.
    tries    attempts in a row that bring no byte before we give up.
    pause    seconds before the next attempt; doubles after each that brings nothing.
    """

    silence: float = 30.0
    tries: int = 4
    pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Wanted:
    """What is known of the content.

    size    exact bytes, or None; about is then a rough number, or None.
    pinned  whether its hash is known, so that parts from several addresses may be joined.
    """

    size: int | None
    about: int | None
    pinned: bool


def transfer(
    url: str, part: Partial, wanted: Wanted, progress: Progress, patience: Patience | None = None
) -> None:
    """Complete the partial file from this address; its folder exists and nobody else writes it.

    progress  steps are bytes; what it raises leaves the partial file to be completed later.
    Raises    DownloadRefusedError if this address does not give the file, ModelError if the disk
              fails.
    """
    patience = patience or Patience()
    fruitless = 0
    while True:
        before = part.length()
        try:
            return _attempt(url, part, wanted, progress, patience.silence)
        except _PassingError as error:
            fruitless = 0 if part.length() > before else fruitless + 1
            if fruitless >= patience.tries:
                raise DownloadRefusedError(f"{error}, {fruitless} times in a row") from error
            patience.sleep(patience.pause * 2 ** max(fruitless - 1, 0))


def _attempt(url: str, part: Partial, wanted: Wanted, progress: Progress, silence: float) -> None:
    have = _usable(url, part, wanted)
    try:
        response = _open(url, part, have, silence)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error, part) from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise _failure(error) from error
    with response:
        start, total = _extent(response, have, part)
        _check_size(total, wanted)
        part.require((total or wanted.size or 0) - start)
        progress.begin(part.final.name, total or 0)
        progress.step(start)
        most = total or wanted.size
        blocks = _blocks(response, None if most is None else most - start, progress)
        part.write(blocks, start, Origin(url, _validator(response.headers)))
    if total is not None and part.length() < total:
        raise _PassingError(f"the connection ended after {part.length()} of {total} bytes")


def _usable(url: str, part: Partial, wanted: Wanted) -> int:
    """How many bytes of the partial file may be completed from this address."""
    have, origin = part.length(), part.origin()
    same = origin is not None and origin.url == url and bool(origin.validator)
    if wanted.size is not None and have > wanted.size:
        return 0
    return have if same or wanted.pinned else 0


def _open(url: str, part: Partial, have: int, silence: float) -> Any:
    request = urllib.request.Request(url)  # noqa: S310 - the list holds https only
    request.add_header("User-Agent", "realishuman")
    request.add_header("Accept-Encoding", "identity")
    if have:
        origin = part.origin()
        request.add_header("Range", f"bytes={have}-")
        if origin is not None and origin.url == url and origin.validator:
            request.add_header("If-Range", origin.validator)
    return urllib.request.build_opener(_Redirects).open(request, timeout=silence)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """As urllib does. Raises DownloadRefusedError if the target is not protected."""
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and not (scheme == "http" and req.type == "http"):
            raise DownloadRefusedError(f"it redirects to {newurl}, which is not protected by https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refusal(error: urllib.error.HTTPError, part: Partial) -> Exception:
    """What an HTTP status means: to try again, or not."""
    said = f"the server says {error.code} {error.reason}"
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.discard()  # the file there is shorter than what we have of it
        return _PassingError(said)
    if error.code == http.client.TOO_MANY_REQUESTS or error.code >= 500:
        return _PassingError(said)
    return DownloadRefusedError(said)


def _failure(error: Exception) -> Exception:
    """What a broken connection means: to try again, or not."""
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DownloadRefusedError(f"its certificate is not trusted ({cause.verify_message})")
    if isinstance(cause, TimeoutError):
        return _PassingError("the server went silent")
    said = str(cause) or type(cause).__name__
    return _PassingError(f"the connection failed ({said})")


def _extent(response: Any, have: int, part: Partial) -> tuple[int, int | None]:
    """First byte of what is sent, and the length of the whole file if the server says it."""
    if response.status == http.client.PARTIAL_CONTENT:
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != have:
            part.discard()  # the next attempt asks for everything
            raise _PassingError("the server sends another range than was asked for")
        return have, int(found[2])
    said = response.headers.get("Content-Length", "")
    return 0, int(said) if said.isdigit() else None


def _check_size(total: int | None, wanted: Wanted) -> None:
    """Raise DownloadRefusedError before anything is written if it cannot be this file."""
    if total is None:
        if not wanted.pinned:
            raise DownloadRefusedError(
                "it does not say how long the file is, and no hash is published, so a "
                "truncated download would go unnoticed"
            )
        return
    expected = wanted.size or wanted.about
    slack = 0 if wanted.size else _ROUGH * (wanted.about or 0)
    if expected is not None and abs(total - expected) > slack:
        raise DownloadRefusedError(f"it offers {total} bytes, expected {expected}: another file")


def _blocks(response: Any, most: int | None, progress: Progress) -> Iterator[bytes]:
    """What is sent, as it comes, up to `most` bytes."""
    done = 0
    while True:
        try:
            block = response.read1(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _failure(error) from error
        if not block:
            return
        done += len(block)
        if most is not None and done > most:
            raise DownloadRefusedError("it sends more than it said")
        yield block
        progress.step(len(block))


def _validator(headers: Message) -> str:
    """By what the server may be asked whether its file is still the same."""
    etag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
