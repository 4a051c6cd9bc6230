"""How long it takes to judge a runner; alone: `python -m bench.attestation`.

Synthetic evidence, made once; its certificates, signatures and sizes are those of the real one.
"""

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta

from bench import page, results
from bench.measure import Samples, seconds
from cleanroom.attestation import snp, token
from cleanroom.attestation.evidence import EvidenceBundle
from devstack.hardware.amd import SyntheticAmd
from devstack.hardware.paravisor import Paravisor
from devstack.hardware.snp import Chip
from devstack.hardware.uvm import ContainerGroup
from tests import tokens
from tests.builders import NOW

RUNS = 300
_LEEWAY = timedelta(seconds=60)


def measured(runs: int) -> Mapping[str, Samples]:
    """Time each so often, after once that is not counted; nothing here uses a network."""
    found = {}
    for name, judge in _cases().items():
        judge()
        found[name] = Samples(tuple(seconds(judge) for _ in range(runs)))
    return found


def _cases() -> Mapping[str, Callable[[], object]]:
    amd = SyntheticAmd.make()
    chip = Chip.make(amd)
    report, chain, roots = chip.report(b"data"), amd.pem(), amd.roots
    group = ContainerGroup.make(chip)
    issuers, authority = [group.endorser.issuer()], tokens.authority()
    machine = EvidenceBundle(Paravisor.make(chip).evidence(b"nonce")).to_bytes()
    containers = EvidenceBundle(group.evidence(b"{}")).to_bytes()
    of_machine, of_containers = tokens.token(tokens.machine()), tokens.token(tokens.container())

    def read_chain() -> object:
        return snp.verify(report, chain, roots, NOW)

    def read_token(text: str) -> object:
        claims = token.verify(text, authority, NOW, _LEEWAY)
        return claims.snp(), claims.wrapping_key()

    def read_bundle(document: bytes) -> object:
        return EvidenceBundle.parse(document, "bench").verify(roots, issuers, NOW)

    return {
        results.CHAIN: read_chain,
        results.TOKEN: lambda: read_token(of_containers),
        results.WHOLE: lambda: (read_chain(), read_token(of_containers)),
        results.MACHINE: lambda: (read_bundle(machine), read_token(of_machine)),
        results.CONTAINERS: lambda: (read_bundle(containers), read_token(of_containers)),
    }


def main() -> int:
    found = measured(RUNS)
    print(page.attestation(found))
    bars = list(results.attestation_bars(found))
    for bar in bars:
        print(f"{bar.verdict} {bar.what}: {bar.found}, {bar.demand}")
    return 0 if all(bar.passed for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
