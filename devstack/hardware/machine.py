"""The hardware of one stack: the same chip in every process, and after every start.

- Its keys are made once (two of RSA-4096 take seconds), by whichever process is the first to ask.
- `synthetic-root.pem` is public. Whoever names it believes this hardware (`cleanroom verify
  --synthetic-root`), and nobody believes it who does not.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devstack import files
from devstack.hardware.amd import AmdKeys, PrivateKey, SyntheticAmd, keep_root, pem
from devstack.hardware.snp import Chip
from devstack.hardware.uvm import ContainerGroup, Endorser
from devstack.home import Home

ROOT_FILE = "synthetic-root.pem"
_AMD_BITS, _UVM_BITS = 4096, 2048
_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----\n[^-]+-----END [A-Z ]+-----\n")


@dataclass(frozen=True, slots=True)
class Machine:
    """A chip under a synthetic AMD, and who endorses the utility VMs on it."""

    amd: SyntheticAmd
    endorser: Endorser

    @classmethod
    def of(cls, home: Home) -> Self:
        """Load the hardware of a stack; the first to ask makes it."""
        folder = home.folder("hardware")
        machine = cls._parse(files.first(folder / "machine.pem", _new))
        roots = pem(machine.amd.der("ark")) + pem(machine.endorser.chain()[-1])
        files.first(folder / ROOT_FILE, lambda: roots)
        return machine

    @classmethod
    def _parse(cls, content: bytes) -> Self:
        """Read what `_new` wrote."""
        *keys, certificate = _BLOCK.findall(content)
        ark, ask, leaf, root, signer = map(_key, keys)
        assert isinstance(ark, rsa.RSAPrivateKey)  # noqa: S101  # we wrote them
        assert isinstance(ask, rsa.RSAPrivateKey)  # noqa: S101
        assert isinstance(leaf, ec.EllipticCurvePrivateKey)  # noqa: S101
        assert isinstance(root, rsa.RSAPrivateKey)  # noqa: S101
        assert isinstance(signer, rsa.RSAPrivateKey)  # noqa: S101
        amd = SyntheticAmd.make(keys=AmdKeys(ark, ask, leaf))
        keep_root(amd, x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER))
        return cls(amd, Endorser(root, signer))

    def launched(self, policy: bytes, measurement: bytes | None) -> ContainerGroup:
        """Launch a container group under a policy, in a utility VM of this measurement."""
        chip = Chip.make(self.amd)
        if measurement is not None:
            chip = chip.launched(replace(chip.template, measurement=measurement))
        return ContainerGroup.make(chip, policy, self.endorser)


def _new() -> bytes:
    keys = AmdKeys(_rsa(_AMD_BITS), _rsa(_AMD_BITS), ec.generate_private_key(ec.SECP384R1()))
    all_keys = (keys.ark, keys.ask, keys.leaf, _rsa(_UVM_BITS), _rsa(_UVM_BITS))
    certificate = SyntheticAmd.make(keys=keys).der("ark")
    return b"".join(_key_pem(key) for key in all_keys) + pem(certificate)


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _key(content: bytes) -> PrivateKeyTypes:
    """Read a key of our own folder; to prove primes of 2048 bits to be such takes too long."""
    return load_pem_private_key(content, None, unsafe_skip_rsa_key_validation=True)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
