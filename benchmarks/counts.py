"""Operations and FLOPs of a stage-one step, ours against the released manner.

Counts are exact and the same on every machine: they hold where timing is noise. Run as
`python -m benchmarks.counts [--width 0.3] [--latents 32] [--steps 20]`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.official import Inputs, OfficialStageOne
from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion import stage_one
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.packs.header import EncoderShape, PackHeader, ScheduleConstants, UnetShape
from realishuman.packs.pack import Pack
from realishuman.packs.random_pack import initial_values, random_pack
from realishuman.packs.shapes import SD15, PackSizes, pack_shapes
from realishuman.progress import Silent

Work = Callable[[], Tensor]
PARTS = ", four parts"  # ends the name of a variant that denoises four at once


class Operations(TorchDispatchMode):
    """Counts dispatched operations that compute something: views and allocations are free."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count and run."""
        aliases = [arg.alias_info for arg in func._schema.arguments if arg.alias_info is not None]
        view = any(not alias.is_write for alias in aliases)
        name = func.overloadpacket.__name__
        self.total += not (view or name in ("_unsafe_view", "detach", "empty", "empty_like"))
        return func(*args, **(kwargs or {}))


class ScaledPack:
    """Random SD1.5 with widths and tokens times `width`; on the meta device without numbers."""

    def __init__(self, width: float, device: str = "meta") -> None:
        self._device = device
        self.path = Path(f"SD1.5 at width {width}")
        sizes = _scaled(width)
        self._shapes = pack_shapes(sizes)
        self.header = PackHeader(
            name=self.path.name,
            kind="hand",
            weights="random",
            pose="shaded",
            preset="released",
            resolution=512,
            unet=sizes.unet,
            stage_two_unet=sizes.stage_two_unet,
            vae=sizes.vae,
            image_encoder=sizes.image_encoder,
            schedule=ScheduleConstants(),
            licence="none",
            source="none",
        )

    def has(self, prefix: str) -> bool:
        """Whether any tensor's name starts with `prefix`."""
        return any(name.startswith(prefix) for name in self._shapes)

    def tensors(
        self,
        prefix: str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> dict[str, Tensor]:
        """See Pack.tensors; on the meta device, where this pack's are, whatever is asked for."""
        chosen = {name: shape for name, shape in self._shapes.items() if name.startswith(prefix)}
        if self._device == "meta":
            values = {n: torch.empty(s, device="meta", dtype=dtype) for n, s in chosen.items()}
        else:
            values = {n: initial_values(n, s, 0).to(device, dtype) for n, s in chosen.items()}
        return {name.removeprefix(prefix): value for name, value in values.items()}


def _scaled(width: float) -> PackSizes:
    def unet(shape: UnetShape) -> UnetShape:
        # to multiples of 32, the groups of every norm
        channels = tuple(round(wide * width / 32) * 32 for wide in shape.channels)
        return replace(shape, channels=channels, context=round(shape.context * width))

    return replace(
        SD15,
        unet=unet(SD15.unet),
        stage_two_unet=unet(SD15.stage_two_unet),
        image_encoder=EncoderShape(
            width=round(64 * width) * 16,
            depth=1,  # it runs once, before the steps
            heads=16,
            patch=14,
            side=14 * round(16 * width**0.5),
        ),
        pose=tuple(round(wide * width) for wide in SD15.pose),
    )


def variants(pack: Pack | ScaledPack, latents: int, steps: int, device: str) -> dict[str, Work]:
    """Ways to denoise one part with guidance, all to the same result but the approximate ones.

    latents  their side; 64 is a 512 crop.
    A name that ends in PARTS denoises four at once.
    "official, autocast" casts float32 weights at every use, as the released script does.
    """
    official = OfficialStageOne(pack, device)
    with PackedBackbone(pack, device).stage_one() as networks:
        pass  # they stay loaded
    generator = torch.Generator().manual_seed(0)
    poses = torch.rand(4, 3, 8 * latents, 8 * latents, generator=generator).to(device)
    references = torch.randn(4, 4, latents, latents, generator=generator).to(device)
    all_tokens = (official.no_tokens + 0.1).expand(4, -1, -1)

    def theirs(parts: int = 1) -> Tensor:
        given = Inputs(references[:parts], poses[:parts], all_tokens[:parts])
        noise = PartNoise(0, range(parts), "stage one")
        initial = noise.initial((4, latents, latents)).to(device)
        return official.sample(given, steps, 3.0, initial)

    def under_autocast() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return theirs()

    @torch.no_grad()
    def ours(every: int = 1, share: float = 1.0, parts: int = 1) -> Tensor:
        embedded = networks.pose_guider(poses[:parts])
        context = networks.projector(all_tokens[:parts])
        prepared = stage_one.Prepared(references[:parts], embedded, embedded, context)
        noise = PartNoise(0, range(parts), "stage one")
        sampling = Sampling(steps, 3.0, reference_every=every, guidance_share=share)
        return stage_one.sample(networks, prepared, sampling, noise, Silent())

    return {
        "official, autocast": under_autocast,
        "official": theirs,
        "ours": ours,
        "ours, reference every 4 steps": lambda: ours(4),
        "the same, guidance for 60%": lambda: ours(4, 0.6),
        "official" + PARTS: lambda: theirs(4),
        "ours" + PARTS: lambda: ours(parts=4),
    }


def count_operations(work: Work) -> int:
    """Run on the CPU, where attention is one operation as on CUDA; sizes do not matter."""
    with Operations() as operations:
        work()
    return operations.total


def count_flops(work: Work) -> int:
    """Run, best on the meta device, where it takes no time."""
    with FlopCounterMode(display=False) as flops:
        work()
    return int(flops.get_total_flops())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=0.3, help="of the UNets, 1 is SD1.5")
    parser.add_argument("--latents", type=int, default=32, help="side; 64 is a 512 crop")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    steps = options.steps
    with tempfile.TemporaryDirectory() as folder:
        small = random_pack(Path(folder) / "small.safetensors", "hand")
        operations = {
            name: count_operations(work) / steps
            for name, work in variants(small, 16, steps, "cpu").items()
        }
        flops = {
            name: count_flops(work) / steps
            for name, work in variants(
                ScaledPack(options.width), options.latents, steps, "meta"
            ).items()
        }
    base = "official, autocast"
    print(f"{'per step and part':30} {'operations':>16} {'GFLOP':>17}")
    for name in operations:
        share = 4 if name.endswith(PARTS) else 1
        operations[name] /= share
        flops[name] /= share
        print(
            f"{name:30} {operations[name]:8.0f} ({operations[name] / operations[base]:.2f})"
            f" {flops[name] / 1e9:9.2f} ({flops[name] / flops[base]:.3f})"
        )


if __name__ == "__main__":
    main()
