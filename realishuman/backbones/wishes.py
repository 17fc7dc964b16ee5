"""What a user says of a checkpoint beside its name, and the files that are named so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from realishuman.backbones.beside import name_of
from realishuman.backbones.by_diffusers import Components, Control, libraries
from realishuman.backbones.control_file import ControlFile, open_control
from realishuman.backbones.embeddings import Embedding, open_embedding
from realishuman.backbones.lora import Lora, merge, open_lora
from realishuman.backbones.vae_file import VaeFile, open_vae


@dataclass(frozen=True)
class Wishes:
    """What a user says of a checkpoint beside its name.

    tokenizer   folder or file with CLIP's vocabulary, for a single file.
    prediction  "epsilon" or "v_prediction" where the checkpoint is silent or wrong; "" believes it.
    vae         in place of the checkpoint's own.
    loras       files, each with its weight.
    embeddings  of textual inversion, whose words are the files' names.
    control     a depth ControlNet and its weight.
    """

    tokenizer: Path | None = None
    prediction: str = ""
    vae: Path | None = None
    loras: tuple[tuple[Path, float], ...] = ()
    embeddings: tuple[Path, ...] = ()
    control: tuple[Path, float] | None = None


@dataclass(frozen=True)
class Additions:
    """The files that wishes name, whose headers were read."""

    vae: VaeFile | None
    loras: tuple[Lora, ...]
    embeddings: tuple[Embedding, ...]
    control: ControlFile | None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the files, as reports call them."""
        weighted: list[Lora | ControlFile] = [*self.loras]
        if self.control is not None:
            weighted.append(self.control)
        return (
            *([name_of(self.vae.file)] if self.vae else []),
            *(f"{name_of(one.file)}:{one.weight:g}" for one in weighted),
        )

    def added_to(self, made: Components) -> Components:
        """The components with all but the VAE, which is there already.

        Raises PackError if a file is made for another kind of checkpoint.
        """
        for lora in self.loras:
            merge(lora, made.unet, made.encoders)
        words = {one.word: one.teach(made.tokenizers, made.encoders) for one in self.embeddings}
        control = None
        if self.control is not None:
            network = self.control.load(libraries()[0], made.unet)
            control = Control(network, self.control.weight)
        return replace(made, words=words, control=control)


def open_additions(wishes: Wishes, context: int) -> Additions:
    """Read the headers. Raises PackError, with a sentence, if a file is not what it should be.

    context  width of the checkpoint's cross-attention tokens.
    """
    return Additions(
        None if wishes.vae is None else open_vae(wishes.vae),
        tuple(open_lora(path, weight, context) for path, weight in wishes.loras),
        tuple(map(open_embedding, wishes.embeddings)),
        None if wishes.control is None else open_control(*wishes.control, context),
    )
