"""Evidence recorded from real machines, where it lies beside the checkout (marker `real_evidence`).

Nobody may commit it, so tests that need it skip where it is not, and say so.
"""

import base64
import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.cvm import CvmEvidence
from devstack.hardware.amd import pem

FOLDER = Path(
    os.environ.get(
        "CLEANROOM_REAL_EVIDENCE", Path(__file__).parents[2] / "shared" / "vectors" / "attestation"
    )
)
PRODUCTS = ("milan", "genoa", "turin")


def read(name: str) -> bytes:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no real evidence at {FOLDER}")
    return path.read_bytes()


def parsed(name: str) -> Any:
    return json.loads(read(name))


def unwrapped(text: str) -> bytes:
    """Read base64url with or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def roots(product: str) -> bytes:
    return read(f"roots/{product}_ask_ark_asvk.pem")


@functools.cache
def report(name: str) -> tuple[bytes, bytes]:
    """Give a machine's hardware report and the certificates for it."""
    if name in PRODUCTS:
        chain = read(f"snp/{name}_vcek.pem") + roots(name)
        return read(f"snp/{name}_attestation_report.bin"), chain
    if name == "aci":
        return read("aci/snp_report.bin"), read("aci/uvm_host_amd_certificate.pem")
    if name == "encryption-key":
        evidence = encryption_key()
        return evidence.report, evidence.chain
    evidence_of_vm = machine(name)
    return evidence_of_vm.hcl[32:1216], evidence_of_vm.chain


@functools.cache
def machine(name: str) -> CvmEvidence:
    """Give a confidential VM's evidence."""
    if name == "hcl":
        quote = parsed("azure-cvm/tpm-quote-v1.json")
        hcl, chain = read("azure-cvm/hcl-report.bin"), read("azure-cvm/vcek.pem")
        return _machine(hcl, chain, quote, b"challenge")
    if name == "v2":
        value = parsed("azure-cvm/evidence-v2.json")
        chain = pem(unwrapped(value["vcek"])) + roots("milan")
        nonce = bytes.fromhex(
            "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9a"
            "a398f647caa2338748cd0fd9f5f819ef"
        )
        return _machine(unwrapped(value["hcl_report"]), chain, value["tpm_quote"], nonce)
    value = parsed("azure-cvm/evidence-genoa.json")
    chain = read("azure-cvm/vcek-genoa.pem") + roots("genoa")
    nonce = bytes.fromhex(
        "0218488bae25d2509232bf676f1a66a30d7372add909109b36016ef136f2938c"
        "a05475f8b46094de6b64270ea35d950f"
    )
    return _machine(bytes(value["report"]), chain, value["quote"], nonce)


def _machine(hcl: bytes, chain: bytes, quote: Any, nonce: bytes) -> CvmEvidence:
    return CvmEvidence(
        hcl,
        chain,
        None,
        _octets(quote["message"]),
        _octets(quote["signature"]),
        nonce,
        {index: _octets(value) for index, value in enumerate(quote["pcrs"])},
    )


def _octets(value: Any) -> bytes:
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value)


@functools.cache
def encryption_key() -> ContainerEvidence:
    """Give a container group's evidence over runtime data with a published key."""
    request = parsed("encryption-key/maa-request.json")
    inner = json.loads(unwrapped(request["report"]))
    endorsements = json.loads(unwrapped(inner["Endorsements"]))
    return ContainerEvidence(
        unwrapped(inner["SnpReport"]),
        unwrapped(inner["VcekCertChain"]),
        unwrapped(request["runtimeData"]["data"]),
        None,
        unwrapped(endorsements["Uvm"][0]),
    )
