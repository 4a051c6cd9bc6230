"""Audits the deployment: by checkov, and against the sources of the schemas.

    make infra-audit

1. Tools are installed by their hashes, apart from the project's environment.
2. checkov reads every file, and what fails is what reasons.yaml has a reason for.
3. The snapshots of Azure's types and of Kubernetes' schemas are made again, and do not differ.
4. The application layer of the image is built twice, in two folders, and is the same.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.infra import kubernetes_snapshot, snapshot
from tests.infra.shapes import SCHEMAS
from tests.infra.tree import INFRA, ROOT
from tools.image.layer import archive

HERE = Path(__file__).parent
TOOLS = ROOT / ".venv" / "audit"
_BIN = TOOLS / "bin"
_KUBERNETES = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"


def install() -> None:
    """Install what the audit needs, unless it is there."""
    stamp, wanted = TOOLS / ".installed", (HERE / "requirements.txt").read_bytes()
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return
    sys.stderr.write("installing the pinned tools (once)\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", TOOLS], check=True)
    quietly = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    asked = [str(_BIN / "pip"), "install", *quietly, "-r", str(HERE / "requirements.txt")]
    subprocess.run(asked, check=True)
    stamp.write_bytes(wanted)


def failing() -> tuple[set[str], int]:
    """Name the checks that fail, and count files that could not be read."""
    told = ["--framework", "bicep", "kubernetes", "--skip-download", "--quiet", "-o", "json"]
    done = subprocess.run(
        [_BIN / "checkov", *told, "-d", INFRA], capture_output=True, check=False, cwd=ROOT
    )
    reports: list[Any] = json.loads(done.stdout)
    failed = {each["check_id"] for one in reports for each in one["results"]["failed_checks"]}
    return failed, sum(one["summary"]["parsing_errors"] for one in reports)


def judged(failed: Collection[str], unread: int, reasons: Collection[str]) -> Iterator[str]:
    """Say what is wrong with what failed."""
    if unread:
        yield f"checkov could not read {unread} files"
    for name in sorted(set(failed) - set(reasons)):
        yield f"{name} fails, and nobody said why it may"
    for name in sorted(set(reasons) - set(failed)):
        yield f"{name} fails no more: take its reason away"


def drifted() -> Iterator[str]:
    """Say which snapshot is not what its source gives."""
    packages = next((TOOLS / "lib").glob("python*/site-packages"))
    by_hand = json.loads((SCHEMAS / "by-hand.json").read_text())["types"]
    azmcp = packages / "msmcp_azure" / "bin" / "azmcp"
    azmcp.chmod(0o755)
    for name, made in (
        ("kubernetes.json", kubernetes_snapshot.made(packages / _KUBERNETES)),
        ("azure.json", snapshot.made(str(azmcp), by_hand)),
    ):
        if json.loads((SCHEMAS / name).read_text()) != made:
            yield f"schemas/{name} is not what its source gives: make it again"


def rebuilt() -> Iterator[str]:
    """Say that two builds differ, if they do."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    digests = set()
    for name in ("one", "two"):
        with tempfile.TemporaryDirectory(prefix=name) as folder:
            script = INFRA / "image" / "application.sh"
            subprocess.run([script, folder], check=True, env={**os.environ, "PATH": path})
            digests.add(hashlib.sha256(archive(Path(folder))).hexdigest())
    sys.stderr.write(f"application layer: {' '.join(digests)}\n")
    if len(digests) > 1:
        yield "two builds of the application layer differ"


def main() -> int:
    install()
    reasons = yaml.safe_load((HERE / "reasons.yaml").read_text())
    found = [*judged(*failing(), reasons.keys()), *drifted(), *rebuilt()]
    sys.stdout.write("".join(f"{each}\n" for each in found) or "the audit found nothing new\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
