"""The callback that adds our HTTP routes to the WebUI's app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from realishuman.webui import saved
from realishuman.webui.choices import choices_from
from realishuman.webui.fields import SETTINGS, schema
from realishuman.webui.host.engine import BoundEngine, engine

if TYPE_CHECKING:
    from fastapi import FastAPI


def app_started(_demo: object, app: FastAPI) -> None:
    """A callback for on_app_started: adds the HTTP routes, with or without the host's own API."""
    from modules import shared

    from realishuman.webui.host.turn import shown_progress, turn
    from realishuman.webui.http.routes import Service, add_routes
    from realishuman.webui.models_tab.health import doctor, inventory

    def with_models(named: Mapping[str, object]) -> BoundEngine:
        return engine().bind(choices_from(named, engine().pack_files()))

    add_routes(
        app,
        Service(
            engine=with_models,
            exclusive=turn,
            progress=shown_progress,
            schema=lambda: schema(tuple(SETTINGS.values())),
            saved=lambda name: saved.load(engine().saved_folder(), name),
            list_saved=lambda: {"saved": saved.names(engine().saved_folder())},
            models=lambda: inventory().as_dict(),
            doctor=lambda: dict(zip(("lines", "healthy"), doctor(), strict=True)),
            credentials=credentials(shared.cmd_opts.api_auth),
        ),
    )


def credentials(flag: str | None) -> dict[str, str]:
    """User -> password of --api-auth, "user:password,user:password"."""
    pairs = (pair.partition(":") for pair in (flag or "").split(",") if pair)
    return {user: password for user, _, password in pairs}
