"""Certificates and endorsements, each signed again by whoever stands above it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cleanroom.attestation import amd, cvm, uvm
from cleanroom.attestation.certificates import Certificate, pem_certificates
from cleanroom.fields import base64_text
from devstack.hardware.amd import pem
from tests.builders import NOW
from tests.fuzz import machines, vaults
from tests.fuzz.accepting import Accepted, Accepting, Target

_MEASUREMENT = b"\x4d" * 48  # that the synthetic chips say
_PSS = padding.PSS(padding.MGF1(hashes.SHA384()), salt_length=48)
_CA_SIGNATURE, _SIGNATURE = 512, 256  # bytes
_COSE = (b"\xd2", b"\x84")  # tag, list of four


def chain(data: bytes) -> Accepted:
    """Read bytes as the PEM of a chain."""
    accepted = Accepting()
    found = accepted("certificates", lambda: pem_certificates(data, 6, "chain"))
    accepted("chain", lambda: amd.verify_chain(data, machines.roots(), NOW))
    for each in found or ():
        accepted("root", partial(amd.synthetic_root, each, "root"))
    return accepted.names


def certificate(data: bytes) -> Accepted:
    """Read bytes as a certificate, and put it wherever one stands."""
    accepted = Accepting()
    found = accepted("certificate", lambda: Certificate.parse(data, "file"))
    if found is None:
        return accepted.names
    assert found.der == data
    accepted("time", lambda: found.check_valid_at(NOW))
    for machine in ("milan", "turin", "vlek"):
        leaf, ask, ark = machines.certificates(machine)
        ours = machines.amd(machine)
        as_leaf = pem(_by_amd(ours.ask.key, found)) + ask + ark
        as_ask = leaf + pem(_by_amd(ours.ark.key, found)) + ark
        accepted("leaf", partial(amd.verify_chain, as_leaf, machines.roots(), NOW))
        accepted("ask", partial(amd.verify_chain, as_ask, machines.roots(), NOW))
    signer, root = machines.endorser().chain()
    again = _by_other("uvm root", found)
    for name, ders in (("signer", [again, root]), ("issuer", [signer, data]), ("self", [data] * 2)):
        cose = replace(machines.endorser(), header={33: ders}).endorse(_MEASUREMENT)
        accepted(f"uvm {name}", partial(_endorsement, cose))
    evidence = replace(machines.machine_evidence(), ak_certificate=data)
    accepted("ak", lambda: cvm.verify(evidence, machines.roots(), NOW))
    vault, *others = vaults.x5c()
    leaf_text = base64_text(_by_other("vault between", found))
    between = base64_text(_by_other("vault root", found))
    accepted("vault", lambda: vaults.read(vaults.answer({"x5c": [leaf_text, *others]})))
    accepted("between", lambda: vaults.read(vaults.answer({"x5c": [vault, between]})))
    return accepted.names


def _by_amd(key: object, found: Certificate) -> bytes:
    """Replace the signature by one of AMD's kind, if this one has its size."""
    assert isinstance(key, rsa.RSAPrivateKey)
    if len(found.signature) != _CA_SIGNATURE:
        return found.der
    return found.der[:-_CA_SIGNATURE] + key.sign(found.signed, _PSS, hashes.SHA384())


def _by_other(name: str, found: Certificate) -> bytes:
    """Replace the signature by one of the usual kind, if this one has its size."""
    if len(found.signature) != _SIGNATURE:
        return found.der
    signature = machines.rsa_key(name).sign(found.signed, padding.PKCS1v15(), hashes.SHA256())
    return found.der[:-_SIGNATURE] + signature


def endorsement(data: bytes) -> Accepted:
    """Read bytes as an endorsement, and signed again; else as the payload or header of one."""
    accepted = Accepting()
    if data.startswith(b"{"):
        accepted("payload", lambda: _endorsement(machines.endorser().sign(data)))
    elif data.startswith(_COSE):
        accepted("endorsement", lambda: _endorsement(data))
        parts = accepted("parts", lambda: uvm._sign1(data))
        if parts is not None:
            accepted("signed", lambda: _endorsement(_signed(*parts[:2])))
    else:
        payload = machines.endorsement_parts()[1]
        accepted("header", lambda: _endorsement(_signed(data, payload)))
    return accepted.names


def _endorsement(cose: bytes) -> uvm.Endorsement:
    return uvm.verify(cose, [machines.endorser().issuer()], _MEASUREMENT)


def _signed(protected: bytes, payload: bytes) -> bytes:
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    signature = machines.rsa_key("uvm signer").sign(signed, _PSS, hashes.SHA384())
    return b"\xd2" + cbor2.dumps([protected, {}, payload, signature])


TARGETS: Mapping[str, Target] = {
    "chain": chain,
    "certificate": certificate,
    "endorsement": endorsement,
}
