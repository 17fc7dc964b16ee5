"""The meta device stands in for an accelerator: what is on it is not on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from realishuman.backbones.moving import Home, Turns, size, turning, visiting
from tests.backbones.states import same, state

AWAY = torch.device("meta")


class Interrupt(BaseException):
    pass


class Network(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))


def devices(module):
    return {t.device.type for t in (*module.parameters(), *module.buffers())}


def test_size_counts_bytes_of_parameters_and_buffers():
    network = nn.Sequential(nn.Linear(2, 3).half())
    network.register_buffer("more", torch.zeros(5, dtype=torch.float64))

    assert size([network, network]) == 2 * ((6 + 3) * 2 + 5 * 8)


@pytest.mark.parametrize("error", [None, RuntimeError, Interrupt])
@pytest.mark.parametrize("inference", [False, True])
def test_a_visit_ends_with_the_same_tensors_at_home(error, inference):
    networks = [Network(), Network()]
    before = [state(each) for each in networks]

    with torch.inference_mode(inference):
        try:
            with visiting(networks, AWAY):
                assert [devices(each) for each in networks] == [{"meta"}] * 2
                if error:
                    raise error
        except (RuntimeError, Interrupt):
            assert error

    assert all(same(old, state(each)) for old, each in zip(before, networks, strict=True))


def test_a_visit_that_fails_on_the_way_ends_at_home():
    good, bad = Network(), Network()
    bad.register_forward_pre_hook(lambda *_: None)
    bad._apply = lambda *_args: (_ for _ in ()).throw(MemoryError)
    before = state(good)

    with pytest.raises(MemoryError), visiting([good, bad], AWAY):
        pass

    assert same(before, state(good))


def test_on_the_cpu_nothing_moves():
    network = Network()
    before = state(network)

    with visiting([network], torch.device("cpu")):
        assert same(before, state(network))


def test_home_brings_back_parameters_that_were_replaced():
    network = Network()
    before = state(network)
    home = Home([network])

    network[0].weight = nn.Parameter(network[0].weight.to("meta"))
    network[1].running_mean = torch.ones(3)
    home.restore()

    assert same(before, state(network))


@pytest.mark.parametrize("error", [RuntimeError, Interrupt])
def test_in_turns_one_network_at_a_time_is_away_and_in_the_end_none(error):
    first, second = Network(), Network()
    seen = []
    before = [state(first), state(second)]

    with pytest.raises(error), Turns(AWAY) as turns:
        for network in (first, first, second, first):
            turning(network, turns)(torch.zeros(1, 2, 4, 4, device=AWAY))
            seen.append((devices(first), devices(second)))
        raise error

    assert seen == [({"meta"}, {"cpu"})] * 2 + [({"cpu"}, {"meta"}), ({"meta"}, {"cpu"})]
    first[1].num_batches_tracked.zero_()
    after = [state(first), state(second)]
    assert [devices(first), devices(second)] == [{"cpu"}] * 2
    assert all(same(old, now) for old, now in zip(before, after, strict=True))
