"""The HTTP routes under /realishuman/v1, for whichever FastAPI and pydantic the host has.

Bodies are read as JSON by hand, so that no version of pydantic matters and a request that is too
long is refused before it is read to its end. Work runs in the thread pool, one request at a time.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic

from realishuman import __version__
from realishuman.progress import Progress
from realishuman.webui.field import FieldError
from realishuman.webui.generation.script import explain
from realishuman.webui.host.engine import BoundEngine
from realishuman.webui.http import api

PREFIX = "/realishuman/v1"
Answer = Callable[[], Mapping[str, object]]


class Exclusive(Protocol):
    """Makes the block in which this process works for nobody else."""

    def __call__(self) -> AbstractContextManager[None]:
        """Wait for the turn; give it back whatever happens."""


@dataclass(frozen=True)
class Service:
    """What the routes need of the host.

    engine       the engine with these packs and this ControlNet, as api.Request.models; made when
                 it is first asked for. Raises FieldError if one cannot be used.
    exclusive    around all work: the host's queue lock, with its state begun and ended.
    progress     reports to the host's progress bar and hears of Interrupt.
    schema       of the settings.
    saved        saved settings by name. Raises FieldError if there are none of the name.
    list_saved   the names there are.
    models       what the Models page lists.
    doctor       the lines of `realishuman doctor`.
    credentials  user -> password of the host's --api-auth; empty asks for none.
    """

    engine: Callable[[Mapping[str, object]], BoundEngine]
    exclusive: Exclusive
    progress: Callable[[], AbstractContextManager[Progress]]
    schema: Answer
    saved: Callable[[object], Mapping[str, object]]
    list_saved: Answer
    models: Answer
    doctor: Answer
    credentials: Mapping[str, str]
    limits: api.Limits = field(default_factory=api.Limits)


def add_routes(app: FastAPI, service: Service) -> bool:
    """Add the routes unless this app has them; returns whether they were added."""
    if any(getattr(route, "path", "").startswith(PREFIX) for route in app.routes):
        return False
    guard = [Depends(_guard(service.credentials))] if service.credentials else []
    answers: dict[str, Answer] = {
        "version": lambda: {"version": __version__, "api": api.VERSION},
        "schema": lambda: api.schema(service.limits, service.schema()),
        "saved": service.list_saved,
        "models": service.models,
        "doctor": service.doctor,
    }
    for name, answer in answers.items():
        app.add_api_route(
            f"{PREFIX}/{name}", _get(answer, name), methods=["GET"], dependencies=guard
        )
    reader = Depends(_reader(service.limits.body))
    for name in ("detect", "refine"):
        app.add_api_route(
            f"{PREFIX}/{name}",
            _post(name, service),
            methods=["POST"],
            dependencies=[*guard, reader],
        )
    return True


def _get(answer: Answer, name: str) -> Callable[[], Mapping[str, object]]:
    def endpoint() -> Mapping[str, object]:
        return answer()

    endpoint.__name__ = f"realishuman_{name}"
    return endpoint


def _post(name: str, service: Service) -> Callable[[Request], dict[str, object]]:
    def endpoint(request: Request) -> dict[str, object]:
        try:
            body = api.with_saved(request.state.realishuman, service.saved)
            understood = api.read_request(body, service.limits)  # before waiting for the turn
            with service.exclusive():
                engine = service.engine(understood.models)
                if name == "detect":
                    return api.detect(understood, engine)
                with service.progress() as progress:
                    return api.refine(understood, engine, progress)
        except api.RefusedError as error:
            raise HTTPException(error.status, error.detail()) from error
        except FieldError as error:
            raise HTTPException(422, {"field": error.name, "message": str(error)}) from error
        except Exception as error:  # of ours or not: the host would answer without a word
            raise HTTPException(500, {"field": "", "message": explain(error)}) from error

    endpoint.__name__ = f"realishuman_{name}"
    return endpoint


def _reader(most: int) -> Callable[[Request], Awaitable[None]]:
    """A dependency that reads the body as JSON into request.state, up to a length."""

    async def read(request: Request) -> None:
        length = request.headers.get("content-length", "0")
        chunks, total = [], int(length) if length.isdecimal() and len(length) < 20 else 0
        if total <= most:
            total = 0
            async for chunk in request.stream():
                total += len(chunk)
                if total > most:
                    break
                chunks.append(chunk)
        if total > most:
            raise HTTPException(413, {"field": "", "message": f"more than {most} bytes"})
        try:
            body = json.loads(b"".join(chunks))
        except (ValueError, RecursionError) as error:
            raise HTTPException(422, {"field": "", "message": f"no JSON: {error}"}) from error
        if not isinstance(body, dict):
            raise HTTPException(422, {"field": "", "message": "must be a JSON object"})
        request.state.realishuman = body

    return read


def _guard(credentials: Mapping[str, str]) -> Callable[[Request], Awaitable[None]]:
    """A dependency that asks for one of the host's users, in time that tells nothing."""
    basic = HTTPBasic()

    async def guard(request: Request) -> None:
        given = await basic(request)
        name, password = (given.username, given.password) if given else ("", "")
        known = credentials.get(name)
        same = secrets.compare_digest(password.encode(), (known or "").encode())
        if known is None or not same:
            raise HTTPException(
                401, "Incorrect username or password", headers={"WWW-Authenticate": "Basic"}
            )

    return guard
