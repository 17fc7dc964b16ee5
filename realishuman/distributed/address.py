"""Files that lie in object stores: paths with an address such as s3://bucket/folder/name.png."""

from __future__ import annotations

import contextlib
import os
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from realishuman.errors import PictureError, SettingsError
from realishuman.files.whole import OURS, PART

WHOLE = ("s3", "gcs", "abfs")  # stores in which a file is there only when all of it is
PATIENCE = "retry_limit_seconds=30"  # of Google's, which else tries for a quarter of an hour
MARK = "://"
TAR = ".tar"


class Address(type(Path())):  # type: ignore[misc]  # pathlib's own class for this system
    """A path in a store that pyarrow opens; as a string it is its address.

    What asks the file system asks the store. Nothing here reads or writes a file's content.
    """

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().partition(":/")
        return f"{scheme}{MARK}{'/' * (scheme == 'file')}{rest}"

    def __fspath__(self) -> str:
        return str(self)

    def absolute(self) -> Address:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> Address:
        """Itself."""
        return self

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        """Size and time of writing, as last listed or else asked now.

        Raises FileNotFoundError, or OSError as the store does.
        """
        if known := _listed.get(str(self)):
            return known
        fs, path = open_store(str(self))
        found = fs.get_file_info(path)
        if found.size is None:
            raise FileNotFoundError(str(self))
        return Facts(found.size, found.mtime_ns or 0)

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is a file."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True


@dataclass(frozen=True)
class Facts:
    """What is asked of a file, under the names of os.stat_result."""

    st_size: int
    st_mtime_ns: int


class Member(Address):
    """A file in a tar that lies in a store: its address is the tar's, and its name within.

    tar    the tar's address.
    begin  byte of the tar at which its content begins.
    size   of its content in bytes.
    """

    tar: str = ""
    begin: int = 0
    size: int = 0

    @classmethod
    def of(cls, address: str, tar: str, begin: int, size: int) -> Member:
        """The member of this address."""
        made: Member = cls(address)
        made.tar, made.begin, made.size = tar, begin, size
        return made


_listed: dict[str, Facts] = {}


def forget(address: Path) -> None:
    """Ask the store again about this file, which was written since it was listed."""
    _listed.pop(str(address), None)


def is_address(name: str | Path) -> bool:
    """Whether this names something in a store, not on a disk."""
    return MARK in str(name)


def is_tar(name: str | Path) -> bool:
    """Whether this names a tar, by its ending."""
    return str(name).endswith(TAR)


@lru_cache(maxsize=16)
def _open(scheme: str, bucket: str) -> tuple[Any, str]:
    from pyarrow import fs

    query = f"?{PATIENCE}" if scheme in ("gs", "gcs") else ""
    found: tuple[Any, str] = fs.FileSystem.from_uri(f"{scheme}{MARK}{bucket}{query}")
    return found


def open_store(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises SettingsError if there is none."""
    scheme, _, rest = address.partition(MARK)
    bucket, _, path = rest.partition("/")
    try:
        fs, root = _open(scheme, bucket or "/")
    except ImportError as error:
        _refuse(address, error)
    except (OSError, ValueError) as error:
        _refuse(address, error)
    return fs, f"{root.rstrip('/')}/{path}".rstrip("/")


def list_files(folder: Address, *, missing: bool = False) -> list[str]:
    """Names of all files below an address, in order; what is known of each is remembered.

    missing  whether the folder may not be there.
    Raises SettingsError if the store does not answer or there is no such folder.
    """
    from pyarrow import fs as arrow

    fs, top = open_store(str(folder))
    selector = arrow.FileSelector(top, allow_not_found=missing, recursive=True)
    try:
        found = {os.path.relpath(one.path, top): one for one in fs.get_file_info(selector)}
    except (OSError, ValueError) as error:
        _refuse(str(folder), error)
    names = sorted(name for name, one in found.items() if one.is_file)
    for name in names:
        _listed[str(folder / name)] = Facts(found[name].size, found[name].mtime_ns or 0)
    return names


def remove_folder(folder: Address) -> None:
    """Remove a folder with all that is in it, if it is there."""
    fs, path = open_store(str(folder))
    with contextlib.suppress(FileNotFoundError):
        fs.delete_dir(path)


def list_members(tar: Address) -> list[Member]:
    """The files in an uncompressed tar, in its order. Raises SettingsError if it cannot be read."""
    fs, path = open_store(str(tar))
    found = []
    try:
        facts = tar.stat()
        with fs.open_input_file(path) as file, tarfile.open(fileobj=file, mode="r:") as opened:
            for one in opened:
                if one.isfile():
                    found.append(
                        Member.of(f"{tar}/{one.name}", str(tar), one.offset_data, one.size)
                    )
    except (OSError, ValueError, tarfile.TarError) as error:
        _refuse(str(tar), error)
    _listed.update((str(one), Facts(one.size, facts.st_mtime_ns)) for one in found)
    return found


def fetch(source: Path, target: Path) -> None:
    """Copy a file from a store. Raises PictureError with what the store said."""
    try:
        if isinstance(source, Member):
            fs, path = open_store(source.tar)
            with fs.open_input_file(path) as given:
                target.write_bytes(given.read_at(source.size, source.begin))
            return
        fs, path = open_store(str(source))
        with fs.open_input_stream(path) as given, target.open("wb") as file:
            while block := given.read(1 << 20):
                file.write(block)
    except OSError as error:
        raise PictureError(f"{source} cannot be read: {_said(error)}.") from error


def publish(content: bytes, target: Path) -> None:
    """Write a file into a store, whole or not at all. Raises PictureError with what it said."""
    fs, path = open_store(str(target))
    name = path if fs.type_name in WHOLE else f"{path}{OURS}{os.getpid()}{PART}"
    try:
        if fs.type_name not in WHOLE:
            fs.create_dir(str(Path(path).parent), recursive=True)
        with fs.open_output_stream(name) as file:
            file.write(content)
        if name != path:
            fs.move(name, path)
    except OSError as error:
        raise PictureError(f"{target} cannot be written: {_said(error)}.") from error


def _refuse(address: str, error: Exception) -> NoReturn:
    raise SettingsError(
        f"{address} cannot be opened ({_said(error)}): check the address, the network and the "
        "credentials in the environment."
    ) from error


def _said(error: Exception) -> str:
    """The first sentence of what a store says, which says much."""
    return str(error).strip().splitlines()[0].removesuffix(".")[:300] if str(error) else repr(error)
