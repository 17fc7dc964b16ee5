"""What a stage-one step costs against the released manner, in numbers that no machine changes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.counts import Operations, ScaledPack, count_flops, count_operations, variants

STEPS = 4


@pytest.fixture(scope="module")
def counted(golden_pack):
    """Result and operations per step of each way, on the recorded networks."""
    ways = variants(golden_pack, latents=16, steps=STEPS, device="cpu")
    results = {}
    for name in ("official", "official, autocast", "ours"):
        with Operations() as operations:
            latents = ways[name]()
        results[name] = latents, operations.total / STEPS
    return results


def test_both_manners_give_the_same_latents(counted):
    (official, _), (ours, _) = counted["official"], counted["ours"]

    assert (official - ours).abs().max() / official.std() < 1e-5


def test_a_step_takes_well_under_half_the_operations(counted):
    official, with_casts, ours = (
        counted[name][1] for name in ("official", "official, autocast", "ours")
    )

    assert with_casts > 1.3 * official  # else the opponent is not what it is said to be
    assert ours <= 0.45 * official
    assert ours <= 0.28 * with_casts


def test_a_step_takes_fewer_flops_at_the_proportions_of_the_released_networks():
    pack = ScaledPack(0.3)
    official = count_flops(variants(pack, 32, steps=1, device="meta")["official"])

    ours = count_flops(variants(pack, 32, STEPS, device="meta")["ours"])

    assert ours / STEPS <= 0.96 * official


def test_counting_leaves_out_views():
    def work():
        x = torch.ones(2, 3)
        return x.view(6)[None].expand(2, 6) + x.t().reshape(6)

    assert count_operations(work) == 3  # ones, the copy in reshape, the sum
