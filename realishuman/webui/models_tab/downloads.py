"""Downloads that the Models page starts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from realishuman.downloads.fetch import ENDPOINT, fetch
from realishuman.downloads.manifest import KnownFile
from realishuman.progress import Progress
from realishuman.webui.models_tab.background import Say, Work

STOPPED = "Stopped. What has arrived is kept; Download resumes from there."
PROXIES = (
    "Behind a proxy, set HTTPS_PROXY; to reach huggingface.co at another address, set "
    f"{ENDPOINT}. Set them before the WebUI starts."
)


def download(files: Sequence[KnownFile], folder: Path, agreed: Collection[str]) -> Work:
    """Fetch these files.

    agreed  names of licences the user has agreed to.
    """

    def run(progress: Progress, say: Say) -> None:
        for file in files:
            fetched = fetch(file, folder, agreed=agreed, progress=progress)
            say(f"{file.name} is {'downloaded' if fetched.new else 'there'}.")
            if fetched.note:
                say(fetched.note)

    return Work(run, STOPPED, PROXIES, bytes=True)
