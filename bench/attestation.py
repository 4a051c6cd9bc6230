"""How long it takes to judge a runner: `python -m bench.attestation`.

Synthetic evidence, made once; its certificates, signatures and sizes are those of the real one.
"""

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cleanroom.attestation import container, cvm, snp
from cleanroom.attestation.evidence import EvidenceBundle
from devstack.hardware.amd import SyntheticAmd
from devstack.hardware.paravisor import Paravisor
from devstack.hardware.snp import Chip
from devstack.hardware.uvm import ContainerGroup

_RUNS = 300
_TARGET_MS = 5.0
_NOW = datetime(2026, 11, 21, tzinfo=UTC)


def median_ms(judge: Callable[[], object]) -> float:
    judge()
    taken = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        judge()
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


def main() -> int:
    amd = SyntheticAmd.make()
    chip = Chip.make(amd)
    report, chain, roots = chip.report(b"data"), amd.pem(), amd.roots
    machine = Paravisor.make(chip).evidence(b"nonce")
    group = ContainerGroup.make(chip)
    containers, issuers = group.evidence(b"{}"), [group.endorser.issuer()]
    document = EvidenceBundle(machine).to_bytes()
    cases: dict[str, Callable[[], object]] = {
        "chain and report": lambda: snp.verify(report, chain, roots, _NOW),
        "confidential VM": lambda: cvm.verify(machine, roots, _NOW),
        "container group": lambda: container.verify(containers, roots, issuers, _NOW),
        "bundle, read and verified": lambda: EvidenceBundle.parse(document, "bench").verify(
            roots, issuers, _NOW
        ),
    }
    medians = {name: median_ms(judge) for name, judge in cases.items()}
    for name, taken in medians.items():
        print(f"{name:28} {taken:6.2f} ms")
    print(f"{'target':28} {_TARGET_MS:6.2f} ms")
    return 0 if max(medians.values()) < _TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
