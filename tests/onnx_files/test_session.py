"""An ONNX file is checked when it is opened, and what runs it is read back."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from realishuman.advice import pip
from realishuman.detect.embedded import FOLDER
from realishuman.detect.families import FACE
from realishuman.errors import ModelError
from realishuman.onnx_files import binding, provider
from realishuman.onnx_files.session import CPU, CUDA, Network, open_session

READER = FACE.reader
FILE = FOLDER / READER.file
RUN_FAILED = onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException


class WithoutGpu:
    """onnxruntime as a wheel built for CUDA behaves where no GPU works: it runs on the CPU."""

    asked: list[list[object]]
    refuses = False

    def __init__(self, path, options, providers, enable_fallback):
        type(self).asked.append(providers)
        if self.refuses and providers != [CPU]:
            raise RUN_FAILED("out of memory\nmore")
        self.real = real_session(path, options, providers=[CPU])

    def __getattr__(self, name):
        return getattr(self.real, name)


class OnGpu(WithoutGpu):
    """A session that says CUDA runs it, and fails at its second run."""

    runs = 0

    def get_providers(self):
        return [CUDA, CPU] if type(self).asked[-1] != [CPU] else [CPU]

    def run(self, names, inputs):
        type(self).runs += 1
        if type(self).runs == 2:
            raise RUN_FAILED("CUDA error 700\nat a place")
        return self.real.run(names, inputs)


real_session = onnxruntime.InferenceSession


@pytest.fixture
def stand_in(monkeypatch):
    """A function: put a class in the place of onnxruntime's session, with CUDA listed."""

    def put(kind, **members):
        made = type("StandIn", (kind,), {"asked": [], **members})
        monkeypatch.setattr(onnxruntime, "InferenceSession", made)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
        return made

    return put


def zeros(count=2):
    return np.zeros((count, 3, 192, 192), np.float32)


def test_an_open_network_says_what_runs_it_and_gives_every_output_by_name():
    session = open_session(FILE, READER.network, provider="cpu")

    out = session.run(image=zeros())

    assert session.provider == CPU
    assert session.note == ""
    assert {name: values.shape for name, values in out.items()} == {
        "landmarks": (2, 1404),
        "presence": (2, 1),
    }


@pytest.mark.parametrize(
    ("wheels", "message"),
    [
        (["onnxruntime"], "onnxruntime was built without CUDA; run `"),
        (["onnxruntime", "onnxruntime-gpu"], "overwritten each other's files; run `"),
    ],
)
def test_a_fallback_is_reported_with_its_reason_and_the_fix(monkeypatch, wheels, message):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    monkeypatch.setattr(provider, "_version", lambda name: "1" if name in wheels else None)

    session = open_session(FILE, READER.network, provider="cuda")

    assert session.provider == CPU
    assert session.note.startswith(f"CUDA was asked for but {FILE.name} runs on {CPU}: ")
    assert message + pip("uninstall", "-y", *wheels) in session.note
    assert f"`{pip('install', 'onnxruntime-gpu')}`" in session.note


@pytest.mark.parametrize(
    ("gpu", "message"),
    [(False, "by torch neither; check the driver"), (True, "cannot load its CUDA or cuDNN")],
)
def test_a_wheel_for_cuda_that_runs_on_the_cpu_is_found_out(monkeypatch, stand_in, gpu, message):
    """Such a wheel lists CUDA also on a machine where nothing of it works."""
    made = stand_in(WithoutGpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)

    named = open_session(FILE, READER.network, provider="cuda:1")
    automatic = open_session(FILE, READER.network)

    assert [providers[0][0] for providers in made.asked] == [CUDA] * 2
    assert [providers[0][1]["device_id"] for providers in made.asked] == [1, 0]
    assert named.provider == automatic.provider == CPU
    assert message in named.note
    assert automatic.note.startswith("There is a GPU but") if gpu else automatic.note == ""


def test_a_cudnn_that_torch_refuses_is_said_and_no_fault_of_the_session(monkeypatch, stand_in):
    def refuse():
        raise RuntimeError("cuDNN version incompatibility: compiled against 9.1 but found 8.9")

    stand_in(WithoutGpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "version", refuse)

    session = open_session(FILE, READER.network, provider="cuda")

    assert "a cuDNN that does not fit it" in session.note


def test_the_library_versions_that_torch_brings_are_named(monkeypatch, stand_in):
    stand_in(WithoutGpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "12.1")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 8902)

    assert "torch brings CUDA 12.1 and cuDNN 8." in open_session(FILE, None).note


def test_a_gpu_that_fails_while_it_works_is_replaced_by_the_cpu_once_and_for_all(stand_in):
    made = stand_in(OnGpu)
    session = open_session(FILE, READER.network)
    first = session.run(image=zeros())
    assert (session.provider, session.note) == (CUDA, "")

    second = session.run(image=zeros())
    session.run(image=zeros())

    np.testing.assert_array_equal(first["landmarks"], second["landmarks"])
    assert session.provider == CPU
    assert f"{FILE.name} failed on {CUDA} (CUDA error 700), so the CPU" in session.note
    assert made.asked[1:] == [[CPU]]


def test_a_gpu_that_cannot_take_the_network_is_replaced_by_the_cpu(stand_in):
    stand_in(WithoutGpu, refuses=True)

    session = open_session(FILE, READER.network)

    assert session.provider == CPU
    assert f"could not be put on {CUDA} (out of memory), so the CPU" in session.note


def test_a_failure_on_the_cpu_is_a_model_error(stand_in):
    stand_in(OnGpu, runs=1)

    with pytest.raises(ModelError, match=r"face_landmark.onnx failed while it ran on the CPU"):
        open_session(FILE, READER.network, provider="cpu").run(image=zeros())


def test_a_released_network_opens_again_when_it_is_used():
    session = open_session(FILE, READER.network, provider="cpu")
    before = session.run(image=zeros())
    session.release()
    assert not session.is_open

    after = session.run(image=zeros())

    assert session.is_open
    np.testing.assert_array_equal(before["landmarks"], after["landmarks"])


def test_any_number_of_parts_goes_through_in_groups():
    session = open_session(FILE, READER.network, provider="cpu")
    images = np.random.default_rng(0).random((5, 3, 192, 192), np.float32)

    grouped, whole = session.run_all(2, image=images), session.run(image=images)

    np.testing.assert_allclose(grouped["landmarks"], whole["landmarks"], atol=1e-4)


def test_a_missing_file_is_a_model_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match=r"no\.onnx is missing"):
        open_session(tmp_path / "no.onnx", READER.network)


@pytest.mark.parametrize("length", [0, 1, 5000, FILE.stat().st_size - 1])
def test_a_truncated_file_is_a_model_error(tmp_path, length):
    path = tmp_path / "short.onnx"
    path.write_bytes(FILE.read_bytes()[:length])

    with pytest.raises(ModelError, match=f"{length} bytes.*fetch it again"):
        open_session(path, READER.network)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"picture": (None, 3, 192, 192)}, None, r"inputs \['image'\], expected \['picture'\]"),
        ({"image": (None, 3, 192)}, None, "input image"),
        ({"image": (None, 3, 224, 224)}, None, "input image"),
        (None, {"landmarks": (None, 1404)}, r"outputs \['landmarks', 'presence'\]"),
        (None, {"landmarks": (None, 63), "presence": (None, 1)}, "output landmarks"),
    ],
)
def test_another_network_is_refused_on_opening(inputs, outputs, message):
    expected = READER.network
    other = Network(inputs or expected.inputs, outputs or expected.outputs)

    with pytest.raises(ModelError, match=message):
        open_session(FILE, other)


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cpu:0", "auto:1", "cuda:"])
def test_an_unknown_provider_is_refused_with_the_known_ones(name):
    with pytest.raises(ModelError, match="auto, cpu, cuda"):
        open_session(FILE, READER.network, provider=name)


def test_what_runs_a_network_cannot_be_overwritten():
    session = open_session(FILE, READER.network, provider="cpu")

    with pytest.raises(AttributeError):
        session.provider = CUDA


@pytest.fixture
def written(tmp_path):
    """A function: an ONNX file of random weights, (N, 4) x and (N,) int64 turn to four outputs.

    "y" is x @ w in the dtype of the file, "turns" the turn plus one, "size" of an unnamed size.
    """
    onnx = pytest.importorskip("onnx", reason="a tiny network is made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    def write(dtype=np.float32, batch="N", outside=False):
        weights = np.random.default_rng(1).normal(size=(4, 3)).astype(dtype)
        floats = TensorProto.FLOAT if dtype == np.float32 else TensorProto.FLOAT16
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["y"]),
                helper.make_node("Add", ["turn", "one"], ["turns"]),
                helper.make_node("NonZero", ["turn"], ["size"]),
            ],
            "tiny",
            [
                helper.make_tensor_value_info("x", floats, [batch, 4]),
                helper.make_tensor_value_info("turn", TensorProto.INT64, [batch]),
            ],
            [
                helper.make_tensor_value_info("y", floats, [batch, 3]),
                helper.make_tensor_value_info("turns", TensorProto.INT64, [batch]),
                helper.make_tensor_value_info("size", TensorProto.INT64, [1, None]),
            ],
            [
                numpy_helper.from_array(weights, "w"),
                numpy_helper.from_array(np.array([1], np.int64), "one"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8  # older onnxruntimes refuse what onnx writes by default
        path = tmp_path / "tiny.onnx"
        options = {"location": "tiny.weights", "size_threshold": 0} if outside else {}
        onnx.save(model, path, save_as_external_data=outside, **options)
        return path, weights

    return write


TINY = Network(
    {"rows": (None, 4), "angle": (None,)},
    {"product": (None, 3), "next": (None,), "places": (1, None)},
    types={"angle": "int64", "next": "int64", "places": "int64"},
    by_place=True,
)
ROWS, ANGLES = np.arange(8, dtype=np.float32).reshape(2, 4) / 8, np.array([0, 6])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_names_may_be_ours_and_a_float16_file_takes_and_gives_float32(written, dtype):
    path, weights = written(dtype)

    session = open_session(path, TINY, provider="cpu")
    out = session.run(rows=ROWS, angle=ANGLES)

    assert session.network.types["rows"] == dtype.__name__
    assert {name: value.dtype.name for name, value in out.items()} == {
        "product": "float32", "next": "int64", "places": "int64",
    }  # fmt: skip
    np.testing.assert_allclose(
        out["product"], ROWS @ weights, atol=1e-5 if dtype == np.float32 else 2e-3
    )
    np.testing.assert_array_equal(out["next"], [1, 7])


def test_a_file_for_one_part_at_a_time_gets_them_so(written):
    path, weights = written(batch=1)

    out = open_session(path, TINY, provider="cpu").run_all(8, rows=ROWS, angle=ANGLES + 1)

    np.testing.assert_allclose(out["product"], ROWS @ weights, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"types": {}}, "input angle of .* is int64 N, expected float32 or float16 any"),
        ({"types": {"rows": "int64", "angle": "int64"}}, "input rows .* expected int64"),
        ({"inputs": {"rows": (None, 4)}}, "inputs .* expected 1 of them"),
    ],
)
def test_types_and_numbers_of_inputs_are_checked(written, change, message):
    wrong = Network(**{**vars(TINY), **change})

    with pytest.raises(ModelError, match=message):
        open_session(written()[0], wrong)


def test_a_size_that_the_file_leaves_open_is_looked_at_in_the_run(written):
    for places, fits in (({"places": (1, 1)}, True), ({"places": (1, 2)}, False)):
        expected = Network(**{**vars(TINY), "outputs": {**TINY.outputs, **places}})
        session = open_session(written()[0], expected, provider="cpu")

        if fits:
            session.run(rows=ROWS, angle=ANGLES)
        else:
            with pytest.raises(ModelError, match=r"output places .* came as 1 x 1, expected 1 x 2"):
                session.run(rows=ROWS, angle=ANGLES)


def test_weights_may_lie_in_a_second_file_whose_loss_is_named(written, tmp_path):
    path, weights = written(outside=True)
    session = open_session(path, TINY, provider="cpu")
    out = session.run(rows=ROWS, angle=ANGLES)
    np.testing.assert_allclose(out["product"], ROWS @ weights, atol=1e-5)

    session.release()
    (tmp_path / "tiny.weights").write_bytes(b"cut")

    with pytest.raises(ModelError, match="the file of weights beside it"):
        session.run(rows=ROWS, angle=ANGLES)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_tensors_are_bound_where_they_lie_and_outputs_are_tensors(written, dtype):
    path, weights = written(dtype)
    session = open_session(path, TINY, provider="cpu")

    rows = torch.from_numpy(ROWS).t().contiguous().t()  # not in memory order
    out = session.run_tensors(rows=rows, angle=torch.from_numpy(ANGLES))

    assert out["product"].dtype == getattr(torch, dtype.__name__)
    np.testing.assert_allclose(out["product"].float().numpy(), ROWS @ weights, atol=2e-3)
    assert out["next"].tolist() == [1, 7]
    assert out["places"].tolist() == [[1]]  # the file does not say how many


def test_on_cuda_inputs_and_outputs_are_bound_by_their_device(written, monkeypatch):
    """A stand-in for a GPU: what is bound is noted, and the CPU does the work."""
    path, _ = written()
    session = open_session(path, TINY, provider="cpu")
    bound = []

    class Noted:
        def __init__(self, binding):
            self.binding = binding

        def bind_input(self, name, kind, index, *rest):
            bound.append((name, kind, index))
            self.binding.bind_input(name, "cpu", 0, *rest)

        def bind_output(self, name, kind, index=0, *rest):
            bound.append((name, kind, index))
            self.binding.bind_output(name, "cpu", 0, *rest)

        def __getattr__(self, name):
            return getattr(self.binding, name)

    class Session:
        def io_binding(self):
            return Noted(session._session.io_binding())

        def run_with_iobinding(self, noted):
            session._session.run_with_iobinding(noted.binding)

    class Cuda1:
        type, index = "cuda", 1

    waited = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, _device, dtype=None: self)
    monkeypatch.setattr(binding.torch, "empty", empty_on_cpu(torch.empty))
    monkeypatch.setattr(
        torch.cuda,
        "current_stream",
        lambda _: type("S", (), {"synchronize": lambda _: waited.append(1)})(),
    )
    given = {"rows": torch.from_numpy(ROWS), "angle": torch.from_numpy(ANGLES)}

    out = binding.run_bound(Session(), session._contents, given, Cuda1())

    assert bound == [
        ("x", "cuda", 1), ("turn", "cuda", 1), ("y", "cuda", 1), ("turns", "cuda", 1),
        ("size", "cpu", 0),
    ]  # fmt: skip
    assert waited == [1]
    assert out["next"].tolist() == [1, 7]


def empty_on_cpu(empty):
    return lambda shape, *, dtype, device=None: empty(shape, dtype=dtype)
