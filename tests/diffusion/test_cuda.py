from __future__ import annotations

import pytest
import torch

from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.progress import Silent


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-3), (None, 0.5 / 255)])
def test_cuda_gives_the_picture_the_cpu_gives(golden_pack, dtype, allowed):
    """In float32 up to rounding, in its own half precision within half a level on average."""
    generator = torch.Generator().manual_seed(3)
    image, pose = torch.rand(2, 2, 3, 128, 128, generator=generator)
    m, m_d = torch.zeros(2, 2, 1, 128, 128, dtype=torch.bool)
    m[..., 32:96, 32:96] = m_d[..., 16:112, 16:112] = True

    def run(backbone):
        sampling = Sampling(4, 3.0)
        noise = PartNoise(0, [1, 2], "stage one")
        one, _ = stage_one.run(
            backbone, stage_one.inputs(image, pose, m), sampling, noise, Silent()
        )
        noise = PartNoise(0, [1, 2], "stage two")
        given = stage_two.inputs(image, one, m_d, m)
        two, _ = stage_two.run(backbone, given, sampling, noise, Silent())
        return one, two

    cpu = run(PackedBackbone(golden_pack, "cpu"))
    cuda = run(PackedBackbone(golden_pack, "cuda", dtype))

    for expected, found in zip(cpu, cuda, strict=True):
        assert found.device.type == "cpu"
        assert (found - expected).abs().mean() < allowed
