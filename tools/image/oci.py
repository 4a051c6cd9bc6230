"""An OCI image made of layers, byte for byte the same each time.

Layers are not compressed: how well a file is compressed depends on who compresses it. The image's
name is the digest of its manifest, which names all else by digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

_CREATED = "2026-01-01T00:00:00Z"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
USER = "65532:65532"
COMMAND = ("/opt/cleanroom/bin/cleanroom-runner", "serve")
ENVIRONMENT = (
    "PATH=/opt/cleanroom/bin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONSAFEPATH=1",
)


def write(layers: Sequence[bytes], folder: Path) -> str:
    """Write the layout of an image and return its digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    config = _put(blobs, _json(_config(layers)))
    manifest = _put(blobs, _json(_manifest(config, [_put(blobs, layer) for layer in layers])))
    _text(folder / "oci-layout", {"imageLayoutVersion": "1.0.0"})
    _text(
        folder / "index.json",
        {"schemaVersion": 2, "manifests": [{"mediaType": _MANIFEST, **manifest}]},
    )
    return str(manifest["digest"])


def _config(layers: Sequence[bytes]) -> Mapping[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _CREATED,
        "config": {
            "User": USER,
            "Env": list(ENVIRONMENT),
            "Entrypoint": list(COMMAND),
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
        "history": [{"created": _CREATED} for _ in layers],
    }


def _manifest(
    config: Mapping[str, object], layers: Sequence[Mapping[str, object]]
) -> Mapping[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, **config},
        "layers": [{"mediaType": _LAYER, **layer} for layer in layers],
    }


def _put(blobs: Path, data: bytes) -> Mapping[str, object]:
    digest = _digest(data)
    (blobs / digest.removeprefix("sha256:")).write_bytes(data)
    return {"digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _text(path: Path, value: Mapping[str, object]) -> None:
    path.write_bytes(_json(value))
