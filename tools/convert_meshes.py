"""Convert the two public meshes we build on to small npz files under realishuman/assets.

    npm pack @webxr-input-profiles/assets@1.0.20     (package/dist/profiles/generic-hand/right.glb)
    curl -LO https://raw.githubusercontent.com/google-ai-edge/mediapipe/
             85c0cdc7d70653888903c88df45962b764296342/
             mediapipe/modules/face_geometry/data/canonical_face_model.obj
    python tools/convert_meshes.py right.glb canonical_face_model.obj

Refuses any other version of the two files, and a hand that is not closed: what is shipped is
exactly what these two files say. Writes hand/template.npz, face/template.npz and their lines in
checksums.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ASSETS = Path(__file__).resolve().parents[1] / "realishuman" / "assets"
SOURCES = {
    "hand": "291790c14f7f88a7f9bd35330c47392ed8e8d395ae6728f4bb7089f1bc1f2b96",
    "face": "8bac80443397e113f41a8b565ea72c59390bc031d9defab289dba7bc0c54e618",
}
DTYPES = {5121: "<u1", 5123: "<u2", 5126: "<f4"}  # glTF component types
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
FINGERS = ("thumb", "index-finger", "middle-finger", "ring-finger", "pinky-finger")


def main() -> None:
    """Read both sources and write both templates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hand", type=Path, help="right.glb of the generic-hand profile")
    parser.add_argument("face", type=Path, help="canonical_face_model.obj")
    args = parser.parse_args()
    write("hand", hand_template(checked("hand", args.hand)))
    write("face", face_template(checked("face", args.face)))


def checked(kind: str, path: Path) -> bytes:
    """Return the file's bytes; exit if it is not the version this converter was written for."""
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != SOURCES[kind]:
        raise SystemExit(f"{path} has sha256 {found}, expected {SOURCES[kind]}")
    return raw


def hand_template(glb: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the skinned hand: metres, y to the forearm, x out of the back of the hand.

    vertices (V, 3) f4, faces (F, 3) i2, weights (V, 4) f4 and weight_joints (V, 4) u1,
    joints (25, 3) f4 rest positions, frames (25, 3, 3) f4 rest rotations (columns: flexion axis,
    back of the hand, towards the wrist), parents (25,) i1 with -1 at the wrist.
    """
    length = struct.unpack_from("<I", glb, 12)[0]
    scene, binary = json.loads(glb[20 : 20 + length]), glb[28 + length :]
    skin, primitive = scene["skins"][0], scene["meshes"][0]["primitives"][0]
    attributes = primitive["attributes"]
    position, joints, weights = (
        accessor(scene, binary, attributes[key]) for key in ("POSITION", "JOINTS_0", "WEIGHTS_0")
    )
    triangles = accessor(scene, binary, primitive["indices"]).reshape(-1, 3)
    vertices, first, welded = np.unique(position, axis=0, return_index=True, return_inverse=True)
    faces = welded.reshape(-1)[triangles].astype(np.int16)
    require_closed(faces)
    # glTF stores matrices by column.
    inverse_bind = accessor(scene, binary, skin["inverseBindMatrices"]).reshape(-1, 4, 4)
    bind = np.linalg.inv(inverse_bind.transpose(0, 2, 1).astype(np.float64))
    names = [scene["nodes"][index]["name"] for index in skin["joints"]]
    return {
        "vertices": vertices.astype(np.float32),
        "faces": faces,
        "weights": weights[first].astype(np.float32),
        "weight_joints": joints[first].astype(np.uint8),
        "joints": bind[:, :3, 3].astype(np.float32),
        "frames": bind[:, :3, :3].astype(np.float32),
        "parents": parents(names),
    }


def accessor(scene: Mapping[str, list], binary: bytes, index: int) -> NDArray[np.generic]:  # type: ignore[type-arg]
    """Return one glTF accessor as (count, width)."""
    spec = scene["accessors"][index]
    view = scene["bufferViews"][spec["bufferView"]]
    start = view.get("byteOffset", 0) + spec.get("byteOffset", 0)
    width = WIDTHS[spec["type"]]
    values = np.frombuffer(binary, DTYPES[spec["componentType"]], spec["count"] * width, start)
    return values.reshape(spec["count"], width)


def parents(names: list[str]) -> NDArray[np.int8]:
    """Chain each finger's joints to the wrist; the file itself keeps them side by side."""
    result = np.full(len(names), -1, np.int8)
    for finger in FINGERS:
        chain = [index for index, name in enumerate(names) if name.startswith(finger + "-")]
        result[chain] = [names.index("wrist"), *chain[:-1]]
    return result


def require_closed(faces: NDArray[np.integer]) -> None:
    """Exit unless every edge is used once in each direction."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = {tuple(edge) for edge in edges}, {tuple(edge) for edge in edges[:, ::-1]}
    if len(there) != len(edges) or there != back:
        raise SystemExit("the welded hand is not a closed surface of consistent winding")


def face_template(obj: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the face: 468 vertices (centimetres, x to the person's left, y up, z out) and faces."""
    rows = [line.split() for line in obj.decode().splitlines()]
    vertices = [[float(v) for v in row[1:4]] for row in rows if row and row[0] == "v"]
    faces = [[int(v.split("/")[0]) - 1 for v in row[1:4]] for row in rows if row and row[0] == "f"]
    return {"vertices": np.array(vertices, np.float32), "faces": np.array(faces, np.int16)}


def write(kind: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Save the template and its checksum."""
    path = ASSETS / kind / "template.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    listing = ASSETS / "checksums.json"
    sums = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    name = path.relative_to(ASSETS).as_posix()
    sums[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    listing.write_text(json.dumps(dict(sorted(sums.items())), indent=2) + "\n", encoding="utf-8")
    print(f"{name}: {path.stat().st_size} bytes, sha256 {sums[name]}")


if __name__ == "__main__":
    main()
