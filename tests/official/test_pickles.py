"""Pickled arrays are read, code is not."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realishuman.errors import ModelError
from realishuman.official.pickles import read_npy, read_pickle
from realishuman.official.stand_ins import STAND_INS

WANTED = "the test's own file"


def written(folder, value, protocol=2):
    path = folder / "some.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u4", "u1", "?", ">f8"])
def test_arrays_come_back_as_they_were(tmp_path, protocol, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    value = {"a": array, "fortran": np.asfortranarray(array), "n": np.float64(2.5), "t": [("x", 1)]}

    back = read_pickle(written(tmp_path, value, protocol), WANTED)

    assert back["a"].dtype == array.dtype
    assert np.array_equal(back["a"], array)
    assert np.array_equal(back["fortran"], array)
    assert back["n"] == 2.5
    assert back["t"] == [("x", 1)]


def test_sparse_matrices_come_back_full(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    full = np.array([[0, 2.0, 0], [1, 0, 3]])
    value = {"csc": sparse.csc_matrix(full), "csr": sparse.csr_matrix(full)}

    back = read_pickle(written(tmp_path, value), WANTED)

    assert np.array_equal(back["csc"], full)
    assert np.array_equal(back["csr"], full)


def test_a_pickled_dictionary_in_an_npy_file_is_read(tmp_path):
    path = tmp_path / "model.npy"
    np.save(path, {"u": np.ones((3, 1)), "names": ["a"]}, allow_pickle=True)

    back = read_npy(path, WANTED)

    assert np.array_equal(back["u"], np.ones((3, 1)))
    assert back["names"] == ["a"]


def test_a_plain_npy_file_is_read(tmp_path):
    np.save(tmp_path / "plain.npy", np.arange(3))

    assert np.array_equal(read_npy(tmp_path / "plain.npy", WANTED), [0, 1, 2])


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, "touch ran"), "system"),
        ((eval, "open('ran', 'w')"), "eval"),
        ((getattr, os, "system"), "getattr"),
        ((np.load, "x.npy"), "numpy"),
    ],
)
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path, monkeypatch, call, name):
    monkeypatch.chdir(tmp_path)
    if call[0] is getattr:
        call = (getattr, 1, "real")  # a module cannot be pickled
    path = written(tmp_path, {"v_template": Evil(*call)})
    np.save(tmp_path / "evil.npy", np.array({"u": Evil(*call)}, dtype=object), allow_pickle=True)

    for read, file in ((read_pickle, path), (read_npy, tmp_path / "evil.npy")):
        with pytest.raises(ModelError, match=f"refused.*{name}.*{WANTED}"):
            read(file, WANTED)
    assert not Path("ran").exists()


def test_a_known_name_cannot_be_used_to_reach_another(tmp_path):
    """GLOBAL with a dotted name would walk from a known class to what it can reach."""
    path = tmp_path / "dotted.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.")

    with pytest.raises(ModelError, match="refused"):
        read_pickle(path, WANTED)


def test_a_pickle_cannot_change_its_reader(tmp_path):
    """BUILD sets attributes of whatever lies on the stack, here of what a name stands for."""
    path = tmp_path / "build.pkl"
    names = {f"{name.rpartition('.')[0]}\n{name.rpartition('.')[2]}" for name in STAND_INS}
    for name in names:
        path.write_bytes(b"\x80\x02c" + name.encode() + b"\nN}U\x05valueK\x01s\x86b.")
        with pytest.raises(ModelError, match="damaged"):
            read_pickle(path, WANTED)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "LFS"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x80\x02}q\x00(U\x05weigh", "truncated"),
        (b"not a pickle at all", "cannot be read"),
    ],
)
def test_another_file_is_named(tmp_path, content, why):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=f"{why}.*{WANTED}"):
        read_pickle(path, WANTED)
    with pytest.raises(ModelError, match=WANTED):
        read_npy(path, WANTED)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=f"does not exist.*{WANTED}"):
        read_pickle(tmp_path / "none.pkl", WANTED)


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path):
    good = pickle.dumps({"a": np.zeros(1000)}, protocol=2)
    path = tmp_path / "long.pkl"
    path.write_bytes(good.replace(b"M\xe8\x03", b"M\xff\xff"))  # 1000 -> 65535

    with pytest.raises(ModelError, match="8000 bytes for an array of"):
        read_pickle(path, WANTED)


def test_an_object_array_of_known_names_only_is_a_list(tmp_path):
    value = np.array([1, "two", None], dtype=object)

    assert read_pickle(written(tmp_path, value), WANTED) == [1, "two", None]


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused_with_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "any.pkl"
    path.write_bytes(content)

    with contextlib.suppress(ModelError):
        read_pickle(path, WANTED)
