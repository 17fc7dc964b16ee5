from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from realishuman.progress import Silent
from realishuman.webui import saved
from realishuman.webui.choices import Control, choices_from
from realishuman.webui.http.api import Limits
from tests.webui.http.test_api import QUICK, as_base64

fastapi = pytest.importorskip("fastapi", reason="fastapi comes with the WebUIs")
pytest.importorskip("httpx", reason="FastAPI's test client needs httpx")

from fastapi.testclient import TestClient  # noqa: E402

from realishuman.webui.http.routes import PREFIX, Service, add_routes  # noqa: E402


class Turns:
    """A lock that notes who held it and how the state was left."""

    def __init__(self):
        self.lock, self.log = threading.Lock(), []

    @contextmanager
    def __call__(self):
        with self.lock:
            self.log.append("begin")
            try:
                yield
            finally:
                self.log.append("end")


@pytest.fixture
def turns():
    return Turns()


@pytest.fixture
def service(engine_of, flat_hand, turns):
    engine = engine_of([flat_hand(210, 160, 100)])
    return Service(
        engine=lambda packs: engine,
        exclusive=turns,
        progress=lambda: nullcontext(Silent()),
        schema=lambda: {"steps": {"minimum": 1}},
        saved=lambda name: saved.load(Path("nowhere"), name),
        list_saved=lambda: {"saved": saved.names(Path("nowhere"))},
        models=lambda: {"folder": "models", "models": []},
        doctor=lambda: {"healthy": True, "lines": []},
        credentials={},
        limits=Limits(body=1_000_000),
    )


def client_of(service):
    app = fastapi.FastAPI()
    assert add_routes(app, service)
    return TestClient(app)


def test_each_route_answers(service, picture, turns):
    client, body = client_of(service), {"image": as_base64(picture), "settings": QUICK}

    for name in ("version", "schema", "saved", "models", "doctor"):
        assert client.get(f"{PREFIX}/{name}").status_code == 200
    assert client.post(f"{PREFIX}/detect", json=body).json()["results"][0]["parts"]
    answer = client.post(f"{PREFIX}/refine", json=body).json()["results"][0]
    assert answer["report"]["parts"][0]["outcome"] == "refined"
    assert turns.log == ["begin", "end"] * 2


def test_what_is_wrong_is_said_with_field_and_status_and_takes_no_turn(service, turns):
    client = client_of(service)

    answer = client.post(f"{PREFIX}/refine", json={"image": "/etc/passwd"})

    assert answer.status_code == 422
    assert answer.json()["detail"]["field"] == "image"
    assert turns.log == []


@pytest.mark.parametrize("content", [b"[1]", b"no json", b"", b"\xff\xfe"])
def test_a_body_that_is_no_json_object_gets_422(service, content):
    assert client_of(service).post(f"{PREFIX}/refine", content=content).status_code == 422


def test_a_body_that_is_too_long_gets_413_also_when_it_hides_its_length(service):
    client = client_of(service)
    long = b'{"image": "' + b"A" * 1_000_001 + b'"}'

    def hidden():
        yield long

    assert client.post(f"{PREFIX}/refine", content=long).status_code == 413
    assert client.post(f"{PREFIX}/refine", content=hidden()).status_code == 413


def test_the_turn_is_given_back_after_an_error_of_ours(service, picture, turns):
    def broken():
        raise RuntimeError("a bug")

    client = TestClient(app_of(replace(service, engine=broken)), raise_server_exceptions=False)
    body = {"image": as_base64(picture), "settings": QUICK}

    assert client.post(f"{PREFIX}/refine", json=body).status_code == 500
    assert turns.log == ["begin", "end"]


def app_of(service):
    app = fastapi.FastAPI()
    add_routes(app, service)
    return app


@pytest.mark.parametrize("name", ["version", "schema", "models", "doctor", "detect", "refine"])
def test_every_route_asks_for_the_hosts_password(service, name):
    client = client_of(replace(service, credentials={"ada": "pass:word", "bob": ""}))
    verb = client.post if name in ("detect", "refine") else client.get
    options = {"json": {}} if name in ("detect", "refine") else {}
    path = f"{PREFIX}/{name}"

    assert verb(path, **options).status_code == 401
    for wrong in (("ada", "pass"), ("eve", ""), ("", "")):
        assert verb(path, auth=wrong, **options).status_code == 401
    assert verb(path, auth=("ada", "pass:word"), **options).status_code in (200, 422)


def test_routes_are_added_once_to_an_app_and_again_to_a_new_one(service):
    app = app_of(service)
    count = len(app.routes)

    assert not add_routes(app, service)
    assert len(app.routes) == count
    assert add_routes(fastapi.FastAPI(), service)


def test_a_pack_may_be_named_and_one_that_is_not_there_is_refused(service, picture):
    engine, asked = service.engine({}), []

    def named(packs):
        asked.append(packs)
        choices_from(packs, ["demo"])
        return engine

    client = client_of(replace(service, engine=named))
    body = {"image": as_base64(picture), "settings": QUICK}

    assert client.post(f"{PREFIX}/refine", json={**body, "hand_pack": "demo"}).status_code == 200
    assert client.post(f"{PREFIX}/detect", json=body).status_code == 200
    assert asked == [{"hand_pack": "demo"}, {}]
    for name, sentence in (("missing", "must be one of auto, demo"), (7, "must be text")):
        answer = client.post(f"{PREFIX}/refine", json={**body, "hand_pack": name})
        assert answer.status_code == 422
        assert answer.json()["detail"]["field"] == "hand_pack"
        assert sentence in answer.json()["detail"]["message"]


def test_a_controlnet_may_be_named_and_its_weight_is_checked(service, picture):
    engine, asked = service.engine({}), []

    def named(models):
        asked.append(choices_from(models).control)
        return engine

    client = client_of(replace(service, engine=named))
    body = {"image": as_base64(picture), "settings": QUICK, "controlnet": "sd15_depth"}

    assert client.post(f"{PREFIX}/detect", json={**body, "controlnet_weight": 1}).status_code == 200
    assert asked == [Control("sd15_depth", 1.0)]
    answer = client.post(f"{PREFIX}/detect", json={**body, "controlnet_weight": 9})
    assert answer.status_code == 422
    assert answer.json()["detail"]["field"] == "controlnet_weight"


def test_saved_settings_may_be_named_and_ones_that_are_not_there_are_refused(service, picture):
    client, body = client_of(service), {"image": as_base64(picture), "settings": QUICK}

    assert client.get(f"{PREFIX}/saved").json() == {"saved": ["subtle", "normal", "strong"]}
    answer = client.post(f"{PREFIX}/detect", json={**body, "saved": "mine"})

    assert answer.status_code == 422
    assert answer.json()["detail"]["field"] == "saved"
    assert client.post(f"{PREFIX}/detect", json={**body, "saved": "subtle"}).status_code == 200
