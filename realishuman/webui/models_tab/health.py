"""The model files and the health of this WebUI, for the Models page and the HTTP routes."""

from __future__ import annotations

from realishuman.doctor import report
from realishuman.errors import RealisHumanError
from realishuman.webui.host.engine import engine
from realishuman.webui.host.host import current
from realishuman.webui.models_tab.page import Inventory
from realishuman.webui.models_tab.page import inventory as look


def inventory(hashed: bool = False) -> Inventory:
    """All model files, with the detector's provider if it has run."""
    host = current()
    return look(host.models_folder(), engine().provider(), host.describe(), hashed=hashed)


def doctor() -> tuple[list[str], bool]:
    """What `realishuman doctor` says, and whether networks can run in this WebUI."""
    try:
        host = current()
        place = host.place()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing could be refined
        lines, _ = report()
        said = str(error) if isinstance(error, RealisHumanError) else repr(error)
        return [*lines, f"BROKEN   WebUI: {said}"], False
    lines, healthy = report(host.models_folder())
    runs = f"ok       {host.name}, whose UNets compute in {place.dtype} on {place.device}"
    return [*lines, runs.replace("torch.", "")], healthy
