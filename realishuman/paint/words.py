"""What both painters by a checkpoint say to it, and of it."""

from __future__ import annotations

from collections.abc import Sequence

from realishuman.diffusion.prompted import CheckpointNetworks, Prompt
from realishuman.diffusion.repainting import join

NOT_NUMBERS = (
    "the checkpoint returned values that are not numbers; try float32 precision: --precision "
    "float32, or start the WebUI with --no-half-vae, which Stable Diffusion XL often needs"
)


def embed_all(networks: CheckpointNetworks, avoid: Sequence[str], told: Sequence[str]) -> Prompt:
    """What is not wanted of each part, then what is, as one prompt; each text is embedded once."""
    texts = [*((text, True) for text in avoid), *((text, False) for text in told)]
    known = {each: networks.embed(*each) for each in dict.fromkeys(texts)}
    return join([known[each] for each in texts], networks.embed("", True))
