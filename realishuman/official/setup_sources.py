"""Which official files `setup official` works from, and where it finds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from realishuman.downloads.manifest import KnownFile, find_known, manifest
from realishuman.errors import ModelError
from realishuman.files.fingerprint import digest
from realishuman.kinds import list_released
from realishuman.progress import Progress

CHECKPOINT, MANO = "hamer/hamer.ckpt", "mano/MANO_RIGHT.pkl"
NET_RECON, FACE_MODEL = "face3d/net_recon.pth", "face3d/face_model.npy"
DINOV2 = "dinov2/model.safetensors"
VAE = "sd-vae-ft-mse/diffusion_pytorch_model.safetensors"
VAE_STAGE_TWO = "stable-diffusion-inpainting/vae/diffusion_pytorch_model.safetensors"
TEXT_ENCODER = "stable-diffusion-inpainting/text_encoder/model.safetensors"
ENCODER = "image-encoder"  # a feature of setup alone: packs have their own unless asked
OPTIONAL = (VAE_STAGE_TWO,)  # stage one's autoencoder does instead
GIVEN: Mapping[str, str] = {  # option of the command line -> file
    "hamer": CHECKPOINT,
    "mano": MANO,
    "net-recon": NET_RECON,
    "bfm": FACE_MODEL,
    "dinov2": DINOV2,
    "vae": VAE,
    "vae-stage-two": VAE_STAGE_TWO,
    "text-encoder": TEXT_ENCODER,
}


def stage(number: int, kind: str) -> str:
    """The list's name of a released checkpoint."""
    return f"checkpoints/checkpoint-stage{number}-{kind}.ckpt"


def features_of(kinds: Iterable[str], shared: bool = False) -> dict[str, tuple[str, ...]]:
    """Files by feature, of the parts asked for, in the order in which they are made.

    shared  whether the packs share an image encoder, which is then made before them.
    """
    regressors = {
        "hand": ("hamer", (CHECKPOINT, MANO)),
        "face": ("face3d", (NET_RECON, FACE_MODEL)),
    }
    wanted: dict[str, tuple[str, ...]] = dict(
        regressors[kind] for kind in list_released() if kind in kinds
    )
    if shared:
        wanted[ENCODER] = (DINOV2,)
    common = (VAE, VAE_STAGE_TWO, DINOV2, TEXT_ENCODER)
    for kind in list_released():
        if kind in kinds:
            wanted[f"{kind}-pack"] = (stage(1, kind), stage(2, kind), *common)
    return wanted


@dataclass(frozen=True)
class Words:
    """How a message names what the user may do: the command line's options, unless told else.

    folder   where files are looked for besides the models folder.
    trust    to take a file whose published hash differs.
    replace  to replace what setup did not make.
    """

    folder: str = "in the folder you name with --checkpoints"
    trust: str = "say that you trust this one (--accept-unknown)"
    replace: str = "say --replace"


@dataclass(frozen=True)
class Sources:
    """Where the official files are, by their names in the list; those not found are left out."""

    paths: Mapping[str, Path]

    def missing(self, names: Iterable[str]) -> list[KnownFile]:
        """Those of these files that are needed and were not found."""
        return [find_known(n) for n in names if n not in self.paths and n not in OPTIONAL]


def find_sources(models: Path, folder: Path | None, given: Mapping[str, Path]) -> Sources:
    """Look for the official files.

    models  the models folder, where `models fetch` puts files.
    folder  another folder that holds them in the same places, or side by side under their own
            names where no two files of the list are called so; it is searched first.
    given   single files by the list's names; they come before any folder.
    Raises  ModelError when the folder or a file that was named does not exist.
    """
    if folder is not None and not folder.is_dir():
        raise ModelError(
            f"--checkpoints {folder} is not a folder: name the one with the checkpoints"
        )
    for path in given.values():
        if not path.is_file():
            raise ModelError(f"{path} does not exist or is no file")
    paths = {}
    for file in manifest().files.values():
        places = [given[file.name]] if file.name in given else []
        if folder is not None:
            places += [folder / file.name, *_side_by_side(file, folder)]
        places.append(file.path(models))
        found = next((place for place in places if place.is_file()), None)
        if found is not None:
            paths[file.name] = found
    return Sources(paths)


def _side_by_side(file: KnownFile, folder: Path) -> list[Path]:
    name = file.name.rpartition("/")[2]
    same = [one for one in manifest().files if one.rpartition("/")[2] == name]
    return [folder / name] if len(same) == 1 else []


def check_hash(file: KnownFile, path: Path, progress: Progress, words: Words) -> None:
    """Raise ModelError unless the file is the published one; nothing is read if no hash is known.

    progress  gets bytes.
    """
    if file.sha256 is None:
        return
    size = path.stat().st_size
    found = "" if file.bytes not in (None, size) else digest(path, progress)
    if found != file.sha256:
        what = f"its SHA-256 is {found}" if found else f"it has {size:,} bytes, not {file.bytes:,}"
        raise ModelError(
            f"{path} is not the official file: {what}; expected {file.sha256}. Get it from "
            f"{file.page}, or {words.trust}."
        )
