"""Small stand-ins for the hosts' modules: just what the two hosts' adapters ask of them."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import sys
import types

import pytest
import torch
from torch import nn

from realishuman.packs.random_pack import SMALL, random_pack
from realishuman.webui import host as room
from realishuman.webui.host.host import Host
from tests.backbones.ldm_like import UNetModel

ADAPTERS = ("a1111", "forge", "forge_memory")
CPU = torch.device("cpu")


def module(name, **contents):
    made = types.ModuleType(name)
    vars(made).update(contents)
    return made


class Wrapper(nn.Module):
    """As ldm's DiffusionWrapper."""

    def __init__(self, unet):
        super().__init__()
        self.diffusion_model = unet


class LatentDiffusion(nn.Module):
    """A loaded model of AUTOMATIC1111's."""

    def __init__(self, unet):
        super().__init__()
        self.model = Wrapper(unet)
        self.first_stage_model = nn.Conv2d(3, 4, 1)
        self.cond_stage_model = nn.Linear(2, 2)
        self.is_sd1, self.lowvram = True, False
        self.sd_checkpoint_info = types.SimpleNamespace(name_for_extra="tiny-sd15")


class Hijack:
    """As A1111's of that name."""

    circular_enabled = False

    def apply_circular(self, enable):
        self.circular_enabled = enable


@pytest.fixture(scope="session")
def pack(tmp_path_factory):
    """Random weights; both stages' UNets have the same sizes, as all of Stable Diffusion 1.x."""
    sizes = dataclasses.replace(SMALL, stage_two_unet=SMALL.unet)
    path = tmp_path_factory.mktemp("packs") / "random-hand.safetensors"
    return random_pack(path, "hand", sizes=sizes, resolution=128)


@pytest.fixture
def unet(pack):
    return UNetModel(pack.header.unet).eval()


def installing(monkeypatch):
    """A function that puts modules into the process, for as long as monkeypatch lasts."""

    def install(*modules):
        for each in modules:
            monkeypatch.setitem(sys.modules, each.__name__, each)
            parent, _, name = each.__name__.rpartition(".")
            if parent:
                setattr(sys.modules[parent], name, each)
        forget_adapters()

    return install


@pytest.fixture
def installed(monkeypatch):
    """A function that puts modules into the process, and leaves no adapter bound to them."""
    yield installing(monkeypatch)
    forget_adapters()


def forget_adapters():
    """The next import binds them to the modules of then."""
    for name in ADAPTERS:
        sys.modules.pop(f"{room.__name__}.{name}", None)
        vars(room).pop(name, None)


@pytest.fixture
def a1111(installed, unet):
    """AUTOMATIC1111 with a model; its modules by their names."""
    parts = a1111_modules(unet)
    installed(*parts.values())
    adapter = importlib.import_module("realishuman.webui.host.a1111")
    around = adapter.A1111()
    return types.SimpleNamespace(
        host=Host(around),
        around=around,
        adapter=adapter,
        log=parts["devices"].log,
        unet=unet,
        data=parts["sd_models"].model_data,
        **parts,
    )


def a1111_modules(unet):
    """The modules of AUTOMATIC1111 that its adapter asks, with this UNet loaded."""
    log = []

    @contextlib.contextmanager
    def autocast():
        log.append("autocast")
        yield

    return {
        "modules": module("modules", __path__=[]),
        "devices": module(
            "modules.devices",
            log=log,
            cpu=CPU,
            device=CPU,
            dtype=torch.float32,
            dtype_unet=torch.float32,
            dtype_vae=torch.float32,
            fp8=False,
            autocast=autocast,
            torch_gc=lambda: log.append("gc"),
        ),
        "lowvram": module(
            "modules.lowvram", send_everything_to_cpu=lambda: log.append("everything to cpu")
        ),
        "paths_internal": module("modules.paths_internal", models_path="/webui/models"),
        "sd_models": module(
            "modules.sd_models",
            model_data=types.SimpleNamespace(sd_model=LatentDiffusion(unet)),
        ),
        "sd_unet": module("modules.sd_unet", current_unet=None),
        "sd_hijack": module("modules.sd_hijack", model_hijack=Hijack()),
        "shared": module(
            "modules.shared",
            cmd_opts=types.SimpleNamespace(),
            opts=types.SimpleNamespace(data={"CLIP_stop_at_last_layers": 2}),
            loaded_hypernetworks=["one", "two"],
        ),
    }


class Patcher:
    """As Forge's ModelPatcher."""

    def __init__(self, model, load_device, offload_device):
        self.model, self.load_device, self.offload_device = model, load_device, offload_device


class MemoryManager:
    """As Forge's, at its worst: it streams, so parameters are replaced and modules marked."""

    def __init__(self):
        self.current_loaded_models, self.asked, self.fails = [], [], False
        self.free = float("inf")

    def load_models_gpu(self, models, memory_required=0, hard_memory_preservation=0):
        self._load(models, (len(models), memory_required, hard_memory_preservation))

    def unload_model_clones(self, patcher):
        loaded = self.current_loaded_models
        loaded[:] = [each for each in loaded if each.model.model is not patcher.model]
        for each in patcher.model.modules():
            if hasattr(each, "prev_parameters_manual_cast"):
                each.parameters_manual_cast = each.prev_parameters_manual_cast
                del each.prev_parameters_manual_cast

    def free_memory(self, memory_required, device):
        self.asked.append(("free", memory_required, device.type))

    def get_free_memory(self, device):
        return self.free

    def _load(self, models, asked):
        self.asked.append(asked)
        for model in models:
            self.current_loaded_models.insert(0, types.SimpleNamespace(model=model))
            for each in model.model.modules():
                for name, parameter in list(each._parameters.items()):
                    if parameter is not None:
                        each._parameters[name] = nn.Parameter(parameter.clone(), False)
                if hasattr(each, "parameters_manual_cast"):
                    each.prev_parameters_manual_cast = each.parameters_manual_cast
                    each.parameters_manual_cast = True
            if self.fails:
                raise torch.cuda.OutOfMemoryError("as it happens")


class NeoPatcher(Patcher):
    """As Forge Neo's: the model carries what is known of its loading."""

    def __init__(self, model, load_device, offload_device):
        super().__init__(model, load_device, offload_device)
        if not hasattr(model, "model_loaded_weight_memory"):
            model.model_loaded_weight_memory = 0

    def detach(self):
        self.model.model_loaded_weight_memory = 0
        for each in self.model.modules():
            if hasattr(each, "prev_parameters_manual_cast"):
                each.parameters_manual_cast = each.prev_parameters_manual_cast
                del each.prev_parameters_manual_cast
                each.weight_function, each.bias_function = [], []


class NeoMemoryManager(MemoryManager):
    """As Forge Neo's: what counts as loaded is not loaded again, marks are not made twice."""

    unload_model_clones = None

    def load_models_gpu(
        self,
        models,
        memory_required=0,
        force_patch_weights=False,
        minimum_memory_required=None,
        force_full_load=False,
    ):
        new = [each for each in models if not each.model.model_loaded_weight_memory]
        self._load(new, (len(new), memory_required))
        for each in new:
            each.model.model_loaded_weight_memory = 1

    def unload_model(self, patcher):
        loaded = self.current_loaded_models
        loaded[:] = [each for each in loaded if each.model is not patcher]


def streamable(module):
    """A module whose layers carry what Forge's do."""
    for each in module.modules():
        if each._parameters:
            each.parameters_manual_cast = False
    return module


def memory_module(memory, **more):
    return module(
        "backend.memory_management",
        current_loaded_models=memory.current_loaded_models,
        load_models_gpu=memory.load_models_gpu,
        free_memory=memory.free_memory,
        get_free_memory=memory.get_free_memory,
        get_torch_device=lambda: CPU,
        vae_dtype=lambda: torch.bfloat16,
        soft_empty_cache=lambda: None,
        **more,
    )


def forge_like(installed, unet, memory, memory_management, patcher, version):
    inner = types.SimpleNamespace(diffusion_model=streamable(unet), storage_dtype=torch.float32)
    model = types.SimpleNamespace(
        is_sd1=True,
        forge_objects_original=types.SimpleNamespace(unet=types.SimpleNamespace(model=inner)),
        sd_checkpoint_info=types.SimpleNamespace(name_for_extra="tiny-sd15"),
    )
    data = types.SimpleNamespace(sd_model=model)
    installed(
        module("backend", __path__=[]),
        memory_management,
        module("backend.patcher", __path__=[]),
        module("backend.patcher.base", ModelPatcher=patcher),
        module("modules_forge", __path__=[]),
        module("modules_forge.initialization"),
        module("modules_forge.forge_version", version=version),
        module("modules", __path__=[]),
        module("modules.paths_internal", models_path="/webui/models"),
        module("modules.sd_models", model_data=data),
        module(
            "modules.shared",
            cmd_opts=types.SimpleNamespace(),
            opts=types.SimpleNamespace(data={}),
        ),
    )
    around = importlib.import_module("realishuman.webui.host.forge").Forge()
    return types.SimpleNamespace(
        host=Host(around),
        around=around,
        unet=unet,
        memory=memory,
        inner=inner,
        data=data,
        memory_management=memory_management,
    )


@pytest.fixture
def forge(installed, unet):
    """Forge (2) with a model; `memory` is its memory manager."""
    memory = MemoryManager()
    offered = memory_module(
        memory,
        unload_model_clones=memory.unload_model_clones,
        get_computation_dtype=lambda device, parameters: torch.float32,
    )
    return forge_like(installed, unet, memory, offered, Patcher, "2.0.1v1.10.1")


@pytest.fixture
def neo(installed, unet):
    """Forge Neo with a model that it streams, and a LoRA: its layers bear marks of that."""
    memory = NeoMemoryManager()
    offered = memory_module(
        memory,
        unload_model=memory.unload_model,
        unet_dtype=lambda device, parameters, weight_dtype=None: weight_dtype,
        inference_cast=lambda dtype, device: torch.float32,
    )
    made = forge_like(installed, unet, memory, offered, NeoPatcher, "neo")
    for each in unet.modules():
        if hasattr(each, "parameters_manual_cast"):
            each.parameters_manual_cast = each.prev_parameters_manual_cast = True
            each.forge_patched_weights = each.forge_force_cast_weights = True
            each.weight_function, each.bias_function = [], []
    return made
