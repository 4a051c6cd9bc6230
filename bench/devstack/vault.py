"""The vault: a release by the genuine client, attestation token and policy checked each time."""

import hashlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient, KeyReleasePolicy
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.devstack.figures import Figure
from cleanroom.ids import Digest
from cleanroom.release.binding import runtime_data
from cleanroom.release.generation import release_policy
from cleanroom.requirements import HostData, MinimumSvn, RunnerRequirement
from devstack import clock, tokens
from devstack.hardware.machine import Machine
from devstack.home import HOST, Home
from runner.attest.authority import AttestationService, ContainerProof

_ROUNDS, _WARM = 300, 10
_VAULT = "vault/"
_POLICY = b"package policy\n"
_CONTRACT, _RECEIPT_KEY = Digest.of(b"contract"), Digest.of(b"receipt key")
_WRAP = "RSA_AES_KEY_WRAP_256"


def measure(home: Home, ports: Mapping[str, int]) -> list[Figure]:
    """Measure the first vault of a running stack, and its attestation service."""
    name = next(each for each in ports if each.startswith(_VAULT))
    url, owner = f"https://{HOST}:{ports[name]}", name.removeprefix(_VAULT)
    authority = f"https://{HOST}:{ports['attestation']}"
    target = _token(home, authority)
    with KeyClient(url, Credential(home, owner)) as keys:
        keys.create_rsa_key(
            "bench-release",
            size=3072,
            hardware_protected=True,
            exportable=True,
            release_policy=KeyReleasePolicy(_policy(authority)),
        )
    with KeyClient(url, Credential(home, "runner")) as keys:
        release = _times(lambda: keys.release_key("bench-release", target, algorithm=_WRAP))
    with SecretClient(url, Credential(home, owner)) as secrets:
        secrets.set_secret("bench-secret", "value")
        get = _times(lambda: secrets.get_secret("bench-secret"))
    return [
        Figure("release of a key, median", statistics.median(release), "ms", 15),
        Figure("release of a key, p95", statistics.quantiles(release, n=20)[-1], "ms", 40),
        Figure("get of a secret, median", statistics.median(get), "ms", 15),
    ]


@dataclass(frozen=True)
class Credential:
    """Tokens as the directory issues them; what they cost is measured there."""

    home: Home
    name: str

    def get_token(self, *_: str, **__: object) -> AccessToken:
        """Say who asks."""
        now, tenant = clock.now(), self.home.object_id("tenant")
        issuer = tokens.Issuer(f"http://{HOST}/{tenant}", tenant, self.home.token_key())
        caller = tokens.Caller(self.name, self.home.object_id(self.name))
        token = issuer.issue(caller, tokens.KEY_VAULT, now)
        return AccessToken(token, int((now + tokens.LIFE).timestamp()))


def _times(call: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(_WARM + _ROUNDS):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1e3)
    return taken[_WARM:]


def _token(home: Home, authority: str) -> str:
    """Have the stack's own hardware attested, with a key to wrap to."""
    group = Machine.of(home).launched(_POLICY, None)
    wrapping = rsa.generate_private_key(65537, 2048).public_key()
    said = runtime_data(_CONTRACT, _RECEIPT_KEY, wrapping)
    evidence = group.evidence(said)
    proof = ContainerProof(evidence.report, evidence.chain, said, evidence.endorsement)
    service = AttestationService(authority)
    try:
        return service.attest_container(proof)
    finally:
        service.close()


def _policy(authority: str) -> bytes:
    code = HostData(hashlib.sha256(_POLICY).hexdigest(), utility_vm_svn=100)
    runner = RunnerRequirement(
        "simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset()
    )
    return release_policy(_CONTRACT, [runner], authority, svns=True).to_bytes()
