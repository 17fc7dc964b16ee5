"""GPUs a training can be estimated for, with what their makers say of them."""

from __future__ import annotations

from dataclasses import dataclass

from realishuman.errors import SettingsError


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    memory    GiB; what the makers call GB.
    half      10^12 operations per second of dense float16 products, summed in float32.
    full      likewise of float32, without tensor cores.
    bfloat16  whether it computes in bfloat16, then as fast as in float16.
    """

    name: str
    memory: int
    half: float
    full: float
    bfloat16: bool = True


def gpus() -> dict[str, Gpu]:
    """The GPUs that are known, by name.

    Source: NVIDIA's data sheets of T4 (2019), A100 (2021), H100 SXM (2023) and H200 SXM (2024),
    half of what they give "with sparsity"; white papers of GA102 (2021; RTX 3060: its 28
    multiprocessors at 1.777 GHz, each as fast as an RTX 3090's) and Ada (2022).
    """
    known = (
        Gpu("T4", 16, 65.0, 8.1, bfloat16=False),
        Gpu("RTX3060", 12, 25.5, 12.7),
        Gpu("RTX3090", 24, 71.0, 35.6),
        Gpu("RTX4090", 24, 165.2, 82.6),
        Gpu("A100-40", 40, 312.0, 19.5),
        Gpu("A100-80", 80, 312.0, 19.5),
        Gpu("H100", 80, 989.4, 66.9),
        Gpu("H200", 141, 989.4, 66.9),
    )
    return {gpu.name: gpu for gpu in known}


def peak(gpu: Gpu, precision: str) -> float:
    """Operations per second at most. Raises SettingsError if it lacks the precision."""
    if precision == "bfloat16" and not gpu.bfloat16:
        raise SettingsError(f"{gpu.name} does not compute in bfloat16: set precision to float16")
    return (gpu.full if precision == "float32" else gpu.half) * 1e12
