"""DINOv2 as one ONNX file that the packs beside it share, in the place of ImageEncoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from realishuman.advice import command
from realishuman.diffusion.image_encoder import normalise
from realishuman.errors import ModelError, PackError
from realishuman.onnx_files.session import Network, OnnxSession, open_session
from realishuman.packs.header import EncoderShape
from realishuman.packs.pack import Pack
from realishuman.packs.store import models_dir


class SharedEncoder(nn.Module):
    """Runs the file, with ImageEncoder's interface.

    Its only tensor is empty: it says on which device and in which dtype tokens are returned, and
    follows .to() as a network's weights do. What computes them stays where it was opened.
    """

    place: Tensor

    def __init__(
        self, session: OnnxSession, side: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self._session, self._side = session, side
        self.register_buffer("place", torch.empty(0, device=device, dtype=dtype))

    @property
    def provider(self) -> str:
        """What really runs it, as OnnxSession says."""
        return self._session.provider

    @property
    def note(self) -> str:
        """A sentence when that is not what was asked for, else empty."""
        return self._session.note

    def forward(self, images: Tensor) -> Tensor:
        """(P, 3, R, R) in [0, 1] to tokens (P, T, width), the class token before the patches."""
        return self.tokens(normalise(images.to(self.place.device), self._side))

    def tokens(self, normalised: Tensor) -> Tensor:
        """(P, 3, side, side), normalised, to tokens (P, T, width)."""
        return self._session.run_tensors(picture=normalised)["tokens"].to(self.place)


def network(shape: EncoderShape) -> Network:
    """What the file of an encoder of this shape takes and gives."""
    count = (shape.side // shape.patch) ** 2 + 1
    return Network(
        inputs={"picture": (None, 3, shape.side, shape.side)},
        outputs={"tokens": (None, count, shape.width)},
    )


def open_shared_encoder(pack: Pack, device: torch.device, dtype: torch.dtype) -> SharedEncoder:
    """Open the file that the pack's header names, to run on `device`.

    dtype   of the tokens; they are computed in float32.
    Raises  PackError if the file is missing, damaged or of another size than the header says.
    """
    path = pack.path.parent / str(pack.header.encoder_file)
    if not path.is_file():
        raise PackError(
            f"{path} is missing, and {pack.path.name} has no image encoder of its own: make the "
            f"file with `{_setup(path)}`."
        )
    shape = pack.header.image_encoder
    provider = f"cuda:{device.index or 0}" if device.type == "cuda" else "cpu"
    try:
        session = open_session(
            path, network(shape), provider=provider, threads=torch.get_num_threads()
        )
    except ModelError as error:
        raise PackError(
            f"the image encoder that {pack.path.name} needs cannot be opened: {error}. Delete "
            f"{path} and make it again with `{_setup(path)}`."
        ) from error
    return SharedEncoder(session, shape.side, device, dtype)


def _setup(path: Path) -> str:
    """The line that makes the file, which lies in a folder of the models folder."""
    return command("setup", "official", "--shared-encoder", folder=models_dir(path.parents[1]))
