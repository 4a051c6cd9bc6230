"""The steps of infra/image/build.sh that are ours.

python -m tools.image layer FOLDER OUTPUT          a folder as a layer
python -m tools.image oci OUTPUT LAYER...          layers as an image; prints its digest
python -m tools.image pcrs UKI                     what a contract says of a measured image
python -m tools.image host-data POLICY             what a contract says of a container's policy
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
        case _:
            sys.stderr.write((__doc__ or "") + "\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
