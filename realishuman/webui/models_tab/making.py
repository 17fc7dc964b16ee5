"""What the Models page makes of the official files: packs, and the paper's own meshes."""

from __future__ import annotations

from pathlib import Path

from realishuman.errors import SettingsError
from realishuman.kinds import list_released
from realishuman.progress import Progress
from realishuman.webui.models_tab.background import Say, Work

STOPPED = "Stopped. What is finished is kept; Make resumes from there."
FOLDER = "Folder with the official files"
TRUST = "Accept files whose hash is not the published one, if all names and shapes fit"
REPLACE = "Replace packs that were not made here"


def folder_of(text: str | None) -> Path | None:
    """The folder a user named; None if the field is empty, for the models folder is enough then.

    Raises SettingsError with a sentence if it is none.
    """
    named = (text or "").strip().strip("\"'").strip()  # Windows copies paths with quotes
    if not named:
        return None
    try:
        folder = Path(named).expanduser()
        there, is_folder = folder.exists(), folder.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingsError(f"{named} cannot be read ({error}): name another folder.") from error
    if not folder.is_absolute():
        raise SettingsError(f"{named} is a relative path: give the folder's full path.")
    if not there:
        raise SettingsError(f"{named} does not exist on the machine that runs the WebUI.")
    if not is_folder:
        raise SettingsError(f"{named} is a file: name its folder, {folder.parent}.")
    return folder


def make_official(
    models: Path, folder: Path | None, *, trust: bool, replace: bool, only_check: bool
) -> Work:
    """What `setup official` of the command line does.

    models      the models folder.
    folder      where the official files are, besides the models folder.
    trust       take files whose published hash differs; nothing is hashed then.
    replace     replace packs that were made elsewhere.
    only_check  check the files and say what it would cost.
    """

    def run(progress: Progress, say: Say) -> None:
        from realishuman.official.setup import Wishes, setup_official
        from realishuman.official.setup_sources import Words, find_sources

        words = Words(
            folder="in the folder you name", trust=f"tick “{TRUST}”", replace=f"tick “{REPLACE}”"
        )
        progress.begin("checking the files", 0)
        wishes = Wishes(
            kinds=list_released(),
            accept_unknown=trust,
            replace=replace,
            only_plan=only_check,
            words=words,
        )
        ready = setup_official(models, find_sources(models, folder, {}), wishes, progress, say)
        if only_check:
            say("Nothing has been made yet; press Make for that.")
        elif any(feature.endswith("-pack") for feature in ready):
            say("The packs are used from the next picture on.")

    return Work(run, STOPPED)
