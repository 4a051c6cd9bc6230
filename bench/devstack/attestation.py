"""The attestation service: from a simulated guest's evidence to a token, by the runner's client."""

import hashlib
import statistics
import time

from bench.devstack.figures import Figure
from devstack.hardware.machine import Machine
from devstack.home import HOST, Home
from runner.attest.authority import AttestationService, ContainerProof

_ROUNDS, _WARM = 200, 10
_PORT = 8441
_SAID = b'{"keys":[]}'


def measure(home: Home, port: int = _PORT) -> list[Figure]:
    """Measure a running service."""
    group = Machine.of(home).launched(b"package policy\n", None)
    proof = ContainerProof(
        report=group.chip.report(hashlib.sha256(_SAID).digest()),
        chain=group.chip.amd.pem(),
        runtime_data=_SAID,
        endorsement=group.endorser.endorse(group.chip.template.measurement),
    )
    service = AttestationService(f"https://{HOST}:{port}")
    try:
        taken = [_attest(service, proof) for _ in range(_WARM + _ROUNDS)][_WARM:]
    finally:
        service.close()
    return [
        Figure("attestation of a container, median", statistics.median(taken), "ms", 15),
        Figure("attestation of a container, p95", statistics.quantiles(taken, n=20)[-1], "ms", 40),
    ]


def _attest(service: AttestationService, proof: ContainerProof) -> float:
    started = time.perf_counter()
    service.attest_container(proof)
    return (time.perf_counter() - started) * 1e3
