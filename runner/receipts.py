"""The job's own key, and the receipts that it signs; and what a receipt of an earlier try says."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from cleanroom import receipt
from cleanroom.contract import Contract, InlineSource
from cleanroom.errors import Tampered, Unattested
from cleanroom.ids import Digest
from cleanroom.job import JobRequest, Outcome, ResultRef
from cleanroom.keys import SigningKey
from cleanroom.receipt import Receipt
from runner.machine import Believed, accepted


@dataclass(frozen=True, slots=True)
class _Signature:
    keyid: str
    signature: str


class JobKey:
    """A signing key made for one job; its private half is forgotten with it."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = SigningKey.from_crypto(self._private.public_key(), "job key")

    def sign(self, payload: bytes) -> _Signature:
        """Sign, as `cleanroom.dsse` asks signers to."""
        made = self._private.sign(payload, ec.ECDSA(SHA256()))
        return _Signature(self.public.id.text, made.hex())


def program(agreed: Contract) -> Digest:
    """Name the contract's program."""
    source = agreed.program.source
    if isinstance(source, InlineSource):
        return Digest.of(source.text.encode("utf-8"))
    return source.manifest


def standing(envelope: bytes, request: JobRequest, agreed: Contract, believed: Believed) -> Receipt:
    """Accept the receipt of an earlier try: signed by a genuine runner's key, for just this job."""
    found = receipt.unchanged(envelope, "receipt")
    about = (found.room, found.job, found.contract, found.inputs, dict(found.parameters))
    asked = (request.room, request.id, agreed.digest, request.inputs, dict(request.parameters))
    if about != asked:
        raise Tampered("receipt: is not about this job")
    said = found.runner
    runner = accepted(said.evidence, agreed, said.key.id, said.walls, believed, found.finished)
    if said.platform != runner.platform:
        raise Unattested("receipt: names another platform than its evidence shows")
    return found


def outcome(found: Receipt) -> Outcome:
    """Say how the job ended, as its receipt does: the same words at every try."""
    return Outcome(
        room=found.room,
        job=found.job,
        contract=found.contract,
        ending=found.ending,
        finished=found.finished,
        receipt=Digest.of(found.to_bytes()),
        results=tuple(ResultRef(subject.name, subject.digest) for subject in found.results),
    )
