"""The steps of infra/image/build.sh that are ours.

Each is `python -m tools.image` and

- `layer FOLDER OUTPUT`: a folder as a layer
- `oci OUTPUT LAYER...`: layers as an image; prints its digest
- `pcrs UKI`: what a contract says of a measured image
- `host-data POLICY`: what a contract says of a container's policy
- `compare EVIDENCE CODE`: what a machine measured, with what was predicted
"""

import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.image.layer import archive
from tools.image.oci import write
from tools.image.pcrs import predicted


def code_of_image(image: bytes) -> dict[str, object]:
    """Spell a contract's `runners[].code` for a measured image."""
    values = [{"index": i, "sha256": digest} for i, digest in sorted(predicted(image).items())]
    return {"kind": "pcrs", "values": values}


def host_data(policy: bytes) -> str:
    """Give the host data that Azure sets for a policy as the template has it, in base64."""
    try:
        return hashlib.sha256(base64.b64decode(policy.strip(), validate=True)).hexdigest()
    except binascii.Error as error:
        raise ValueError("expected a policy in base64") from error


def differing(evidence: bytes, code: bytes) -> list[str]:
    """Say which registers of a machine's evidence are not as predicted; it verifies nothing."""
    measured = {one["index"]: one["sha256"] for one in json.loads(evidence)["pcrs"]}
    return [
        f"PCR {one['index']}: predicted {one['sha256']}, measured {measured.get(one['index'])}"
        for one in json.loads(code)["values"]
        if measured.get(one["index"]) != one["sha256"]
    ]


def main(arguments: Sequence[str]) -> int:
    """Do one step."""
    match arguments:
        case ["layer", folder, output]:
            Path(output).write_bytes(archive(Path(folder)))
        case ["oci", output, *layers] if layers:
            print(write([Path(layer).read_bytes() for layer in layers], Path(output)))
        case ["pcrs", image]:
            print(json.dumps(code_of_image(Path(image).read_bytes()), indent=2))
        case ["host-data", policy]:
            print(host_data(Path(policy).read_bytes()))
        case ["compare", evidence, code]:
            found = differing(Path(evidence).read_bytes(), Path(code).read_bytes())
            print("\n".join(found) or "as predicted")
            return 3 if found else 0
        case _:
            sys.stderr.write((__doc__ or "") + "\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
