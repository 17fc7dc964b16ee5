"""What a GPU does with both stages: seconds per part, share of the matrix peak, memory.

    python -m benchmarks.gpu [--device cuda] [--width 1] [--latents 64] [--steps 4] [--seconds 480]

Random weights of Stable Diffusion 1.5's shapes. Each row is measured over `--steps` steps and
extended to the steps that it stands for; encoding and decoding are measured apart and added.
"released" is benchmarks/official.py under autocast, as the released script runs. Sections that no
time is left for are named at the end. On a CPU it only proves that everything runs.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.counts import ScaledPack
from benchmarks.official import Inputs, OfficialStageOne
from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.progress import Silent

BATCHES = (1, 4, 16)
STEPS, RELEASED_STEPS = 20, 50  # of ours at the default of the paper, and of the released script
GFLOP_OURS, GFLOP_TWO = 2537.3, 1559.0  # per step and part, docs/performance.md, at full size
PEAK_SIDE = 8192
Work = Callable[[], object]


class GpuPack(ScaledPack):
    """The same weights in distribution, drawn where they are needed: on a CPU it takes minutes."""

    def tensors(
        self,
        prefix: str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> dict[str, Tensor]:
        """See Pack.tensors."""
        made = {}
        for name, shape in self._shapes.items():
            if name.startswith(prefix):
                scale = max(1, torch.Size(shape[1:]).numel()) ** -0.5
                values = torch.randn(shape, device=device) * scale
                if len(shape) == 1:
                    values = torch.full(shape, float(not name.endswith(".bias")), device=device)
                made[name.removeprefix(prefix)] = values.to(dtype or torch.float32)
        return made


@dataclass
class Bench:
    """Options, the time that is left, and how things are measured."""

    device: torch.device
    pack: ScaledPack
    latents: int
    steps: int
    until: float
    batches: tuple[int, ...] = BATCHES

    def seconds(self, work: Work, rounds: int = 3) -> float:
        """The least wall time of a few runs after one that warms up."""
        work()
        best = float("inf")
        for _ in range(rounds):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            best = min(best, time.perf_counter() - start)
        return best

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    @contextmanager
    def peak(self) -> Iterator[list[float]]:
        """Inside, memory is watched: [GB at most, by torch's allocator]; 0 on a CPU."""
        found = [0.0]
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        yield found
        if self.device.type == "cuda":
            found[0] = torch.cuda.max_memory_allocated() / 1e9

    def forget(self) -> None:
        """Give back what nobody holds any more."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def rand(self, *shape: int) -> Tensor:
        """Uniform numbers on the device."""
        return torch.rand(shape, device=self.device)


def matrix_peak(bench: Bench, dtype: torch.dtype) -> float:
    """TFLOP/s of a large matrix product, which nothing here can exceed by much."""
    side = PEAK_SIDE if bench.device.type == "cuda" else 256
    one, other = (torch.randn(side, side, device=bench.device).to(dtype) for _ in range(2))

    def work() -> None:
        for _ in range(10):
            one @ other

    return 10 * 2 * side**3 / bench.seconds(work) / 1e12


def released(bench: Bench) -> Iterator[str]:
    """The released procedure in stage one: float32 weights under autocast."""
    official = OfficialStageOne(bench.pack, str(bench.device))  # type: ignore[arg-type]
    kind = bench.device.type
    for batch in bench.batches:
        tokens = (official.no_tokens + 0.1).expand(batch, -1, -1)
        side = bench.latents
        initial = bench.rand(batch, 4, side, side)
        given = Inputs(initial, bench.rand(batch, 3, 8 * side, 8 * side), tokens)

        def work(given: Inputs = given, initial: Tensor = initial) -> None:
            half = torch.float16 if kind == "cuda" else torch.bfloat16
            with torch.autocast(kind, half):
                official.sample(given, bench.steps, 3.0, initial)

        with bench.peak() as peak:
            step = bench.seconds(work) / bench.steps / batch
        total = step * RELEASED_STEPS
        yield f"| released, autocast | {batch} | {step * 1e3:.2f} | {total:.3f} | | {peak[0]:.1f} |"


def ours(bench: Bench, dtype: torch.dtype) -> Iterator[str]:
    """Both stages of ours in one precision, with encoding and decoding."""
    top = matrix_peak(bench, dtype)
    yield f"matrix peak in {dtype}: {top:.1f} TFLOP/s"
    backbone = PackedBackbone(bench.pack, bench.device, dtype)  # type: ignore[arg-type]
    side = 8 * bench.latents
    full = bench.latents == 64
    for batch in bench.batches:
        image, pose = bench.rand(batch, 3, side, side), bench.rand(batch, 3, side, side)
        m_d = torch.zeros(batch, 1, side, side, dtype=torch.bool)
        m_d[..., side // 4 : -side // 4, side // 4 : -side // 4] = True
        image, pose = image.cpu(), pose.cpu()

        def one(steps: int, image: Tensor = image, pose: Tensor = pose, m: Tensor = m_d) -> Tensor:
            noise = PartNoise(0, range(len(image)), "stage one")
            sampling = Sampling(steps, 3.0, max_batch=len(image))
            given = stage_one.inputs(image, pose, m)
            return stage_one.run(backbone, given, sampling, noise, Silent())[0]

        def two(steps: int, image: Tensor = image, m: Tensor = m_d) -> Tensor:
            noise = PartNoise(0, range(len(image)), "stage two")
            sampling = Sampling(steps, 3.0, max_batch=len(image))
            given = stage_two.inputs(image, image, m, m & False)
            return stage_two.run(backbone, given, sampling, noise, Silent())[0]

        for name, stage, gflop in (("one", one, GFLOP_OURS), ("two", two, GFLOP_TWO)):
            with bench.peak() as peak:
                few, many = (bench.seconds(lambda n=n, s=stage: s(n)) for n in (1, 1 + bench.steps))
            step = (many - few) / bench.steps / batch
            total = few / batch + step * (STEPS - 1)
            share = f"{gflop / step / 1e3 / top:.0%}" if full and step > 0 else ""
            yield (
                f"| ours, stage {name}, {dtype} | {batch} | {step * 1e3:.2f} | {total:.3f} "
                f"({few / batch + step * (RELEASED_STEPS - 1):.3f} at {RELEASED_STEPS} steps) | "
                f"{share} | {peak[0]:.1f} |"
            )


def ways(bench: Bench) -> Iterator[str]:
    """One call of the UNet as it is, channels last, compiled, and as a CUDA graph."""
    dtype = torch.float16 if bench.device.type == "cuda" else torch.float32
    backbone = PackedBackbone(bench.pack, bench.device, dtype)  # type: ignore[arg-type]
    side, cuda = bench.latents, bench.device.type == "cuda"
    with torch.no_grad(), backbone.stage_two() as networks:
        unet = networks.unet
        seen = bench.rand(2, 9, side, side)
        tokens = torch.cat([networks.no_context, networks.context]).to(bench.device)
        condition = unet.condition(tokens)
        timestep = torch.tensor(500, device=bench.device)

        def plain() -> Tensor:
            return unet.predict(seen, timestep, condition, None)

        base = bench.seconds(plain, 10)
        yield f"| UNet as it is, {dtype}, guidance at batch 1 | {base * 1e3:.2f} ms | 1.00 |"
        unet.to(memory_format=torch.channels_last)  # type: ignore[attr-defined]
        last = bench.seconds(plain, 10)
        yield f"| channels last | {last * 1e3:.2f} ms | {base / last:.2f} |"
        if not cuda:
            yield "| CUDA graph, torch.compile | only on CUDA | |"
            return
        before = torch.cuda.memory_allocated()
        plain()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            held = plain()
        replayed = bench.seconds(graph.replay, 10)
        apart = (held - plain()).abs().max().item()
        yield f"| CUDA graph | {replayed * 1e3:.2f} ms | {base / replayed:.2f} |"
        yield f"| its result differs by at most | {apart:.1e} | |"
        del graph, held
        bench.forget()
        left = (torch.cuda.memory_allocated() - before) / 1e6
        yield f"| the graph dropped | {left:.1f} MB stay | |"
        compiled = torch.compile(unet.predict, dynamic=False)
        start = time.perf_counter()
        compiled(seen, timestep, condition, None)
        bench.wait()
        took = time.perf_counter() - start
        fast = bench.seconds(lambda: compiled(seen, timestep, condition, None), 10)
        yield f"| torch.compile ({took:.0f} s) | {fast * 1e3:.2f} ms | {base / fast:.2f} |"


def detector(bench: Bench) -> Iterator[str]:
    """A network of the detector on each provider; with CUDA, tensors stay on the device."""
    import onnxruntime

    from realishuman.detect.embedded import FOLDER
    from realishuman.onnx_files.session import open_session

    path = FOLDER / "hand_landmark_full.onnx"
    there = onnxruntime.get_available_providers()
    for provider in ("cpu", "cuda") if "CUDAExecutionProvider" in there else ("cpu",):
        session = open_session(path, None, provider=provider)
        sizes = {n: [s or 1 for s in shape] for n, shape in session.network.inputs.items()}
        tensors = {name: torch.rand(size) for name, size in sizes.items()}
        arrays = {name: one.numpy() for name, one in tensors.items()}
        plain = bench.seconds(lambda s=session, a=arrays: s.run(**a), 20)
        given = {name: one.to(bench.device) for name, one in tensors.items()}
        bound = bench.seconds(lambda s=session, g=given: s.run_tensors(**g), 20)
        yield f"| {session.provider} | {plain * 1e3:.2f} ms | bound {bound * 1e3:.2f} ms |"
    if "CUDAExecutionProvider" not in there:
        yield "| CUDAExecutionProvider | this onnxruntime has none | |"


def main() -> None:
    """Print everything that fits into the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--width", type=float, default=1.0, help="of the UNets, 1 is SD1.5")
    parser.add_argument("--latents", type=int, default=64, help="side; 64 is a 512 crop")
    parser.add_argument("--steps", type=int, default=4, help="that are measured")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--seconds", type=float, default=480.0)
    options = parser.parse_args()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, width {options.width}, latents {options.latents}")
    until = time.monotonic() + options.seconds
    pack = GpuPack(options.width, options.device)
    bench = Bench(device, pack, options.latents, options.steps, until, tuple(options.batches))
    half = (torch.float16, torch.bfloat16) if device.type == "cuda" else (torch.float32,)
    columns = ("what", "parts", "ms per step and part", "s per part", "of the peak", "GB")
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
    sections: list[tuple[str, Callable[[], Iterator[str]]]] = [
        *((head, lambda dtype=dtype: ours(bench, dtype)) for dtype in half),
        (head, lambda: released(bench)),
        ("| one call | time | ratio |\n|---|---|---|", lambda: ways(bench)),
        ("| detector's network | time | with binding |\n|---|---|---|", lambda: detector(bench)),
    ]
    for title, section in sections:
        print(f"\n{title}", flush=True)
        with torch.no_grad():
            for line in section():
                print(line, flush=True)
                if time.monotonic() > until:
                    print("no time is left for what is missing here")
                    break
        bench.forget()


if __name__ == "__main__":
    main()
