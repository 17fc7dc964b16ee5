"""FLOPs of repainting one part with a checkpoint, against plain inpainting of the same crop.

Plain inpainting is what ADetailer does with a part: one pass of masked img2img, both branches of
guidance. Counts are exact and the same on every machine. Networks are of Stable Diffusion 1.5's
form and random, with widths times `width`. Run as
`python -m benchmarks.checkpoint [--width 0.3] [--latents 32] [--steps 30]`.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from benchmarks.counts import Work, count_flops
from realishuman.backbones.by_diffusers import LibraryAutoencoder, LibraryUnet
from realishuman.backbones.loading import Place as At
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt
from realishuman.diffusion.repainting import Denoising, Looks, Place, repaint
from realishuman.diffusion.schedule import NoiseTable
from realishuman.progress import Silent

UNET, VAE = (320, 640, 1280, 1280), (128, 256, 512, 512)
CPU = At(torch.device("cpu"), torch.float32)


def networks(width: float) -> CheckpointNetworks:
    """A checkpoint of random weights."""
    context = round(768 * width)
    unet_channels, vae_channels = (
        [max(1, round(wide * width / 32)) * 32 for wide in channels] for channels in (UNET, VAE)
    )
    unet = UNet2DConditionModel(block_out_channels=unet_channels, cross_attention_dim=context)
    vae = AutoencoderKL(
        block_out_channels=vae_channels,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        layers_per_block=2,
    )
    table = NoiseTable(tuple(torch.linspace(0.999, 0.005, 1000).tolist()), "epsilon", "leading")
    return CheckpointNetworks(
        unet=LibraryUnet(unet.eval(), CPU),
        inpainting=False,
        autoencoder=LibraryAutoencoder(vae, CPU),
        embed=lambda _text, _negative: Prompt(torch.randn(1, 77, context)),
        noise=table,
    )


def variants(made: CheckpointNetworks, latents: int, steps: int) -> dict[str, Work]:
    """Ways to repaint one part; the first is plain inpainting.

    latents  their side; 64 is a crop of 512 pixels.
    """
    side = 8 * latents
    picture, m_d = torch.rand(1, 3, side, side), torch.zeros(1, 1, side, side, dtype=torch.bool)
    m_d[..., side // 4 : -side // 4, side // 4 : -side // 4] = True  # as large as at margin 2
    m_e = torch.zeros_like(m_d)
    m_e[..., side // 3 : -side // 3, side // 3 : -side // 3] = True
    words = Prompt(torch.cat([made.embed("", True).tokens, made.embed("", False).tokens]))
    denoising = Denoising(steps=steps, strength=0.5, guidance=6.0)

    def stage(mask: torch.Tensor, looks: Looks | None = None) -> torch.Tensor:
        noise = PartNoise([0], [1], "benchmark")
        return repaint(made, Place(picture, mask), words, denoising, noise, Silent(), looks)[0]

    def both(weight: float) -> torch.Tensor:
        stage(m_d, Looks(picture, m_d & ~m_e, weight) if weight else None)
        return stage(m_d & ~m_e)

    return {
        "plain inpainting": lambda: stage(m_d),
        "stage one, reference attention": lambda: stage(m_d, Looks(picture, m_d & ~m_e, 1.0)),
        "both stages, without reference": lambda: both(0.0),
        "both stages": lambda: both(1.0),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=0.3, help="of the networks, 1 is SD1.5")
    parser.add_argument("--latents", type=int, default=32, help="side; 64 is a 512 crop")
    parser.add_argument("--steps", type=int, default=30, help="of the whole schedule")
    options = parser.parse_args()
    torch.manual_seed(0)
    made = networks(options.width)
    with torch.no_grad():
        ways = variants(made, options.latents, options.steps)
        flops = {name: count_flops(work) for name, work in ways.items()}
    base = next(iter(flops.values()))
    for name, each in flops.items():
        print(f"{name:32} {each / 1e9:9.0f} GFLOP  {each / base:5.2f}x")


if __name__ == "__main__":
    main()
