"""A local HTTP server of one file that cuts, stalls, corrupts, redirects and refuses as told."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from realishuman.downloads.manifest import Feature, KnownFile, Licence, Manifest


@dataclass
class FileServer:
    """Serves `content` at every path.

    plan   what to do with the next requests, one each: "cut N" and "stall N" after N bytes,
           "status CODE", "to PATH" (a redirect), "corrupt", "whole" (ignores ranges), "endless"
           (names no length), "elsewhere" (sends another range), "short" (names a shorter length).
           Without a plan a request is answered as it should be.
    asked  (path, Range, If-Range) of every request.
    """

    content: bytes
    etag: str = '"first"'
    plan: list[str] = field(default_factory=list)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, path="/file.bin"):
        return f"http://127.0.0.1:{self.port}{path}"

    @contextmanager
    def running(self):
        handler = type("Handler", (_Handler,), {"owner": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                self.released.set()
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        owner = self.owner
        owner.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        what, _, number = (owner.plan.pop(0) if owner.plan else "").partition(" ")
        if what == "status":
            return self.send_error(int(number))
        if what == "to":
            self.send_response(302)
            self.send_header("Location", number)
            return self.end_headers()
        body, start = owner.content, 0
        if what == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and what != "whole" and self.headers.get("If-Range") in (None, owner.etag):
            start = int(asked[1])
        if start >= len(body):
            return self.send_error(416)
        self._answer(what, int(number or 0), body, start + (what == "elsewhere"))
        return None

    def _answer(self, what, number, body, start):
        self.send_response(206 if start else 200)
        total = len(body) - (what == "short")
        if what != "endless":
            self.send_header("Content-Length", str(total - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if self.owner.etag:
            self.send_header("ETag", self.owner.etag)
        self.end_headers()
        end = start + number if what in ("cut", "stall") else total
        with suppress(ConnectionError):  # whoever asked may have left
            self.wfile.write(body[start:end])
        if what == "stall":
            self.owner.released.wait(10)


def short_list(server):
    """Two features: "net" is one free file, "mesh" needs agreement, the user and this machine."""
    free = Licence("MIT", "MIT License", "https://example.com/mit", "do as you like", False)
    asks = Licence("Rail", "Rail licence", "https://example.com/rail", "no harm", True)
    rest = {"about": None, "page": "https://example.com", "by_hand": ""}
    size, right = len(server.content), sha256(server.content).hexdigest()
    files = [
        KnownFile("net/net.onnx", ("net",), "auto", (server.url("/net"),), size,
                  sha256=right, licence=free, what="finds", **rest),
        KnownFile("mesh/a.pth", ("mesh",), "auto", (server.url("/a"),), None,
                  sha256=None, licence=asks, what="fits", **rest),
        KnownFile("mesh/own.pkl", ("mesh",), "user", (), 5, sha256=sha256(b"right").hexdigest(),
                  licence=asks, what="the mesh", **{**rest, "by_hand": "Register at the page."}),
        KnownFile("mesh/mesh.onnx", ("mesh",), "made", (), None,
                  sha256=None, licence=asks, what="runs", **rest),
    ]  # fmt: skip
    features = [
        Feature("net", "a net finds them", "nothing finds them", ""),
        Feature("mesh", "a mesh is fitted", "no mesh is fitted", "realishuman make mesh"),
    ]
    return Manifest({one.name: one for one in files}, {one.name: one for one in features})
