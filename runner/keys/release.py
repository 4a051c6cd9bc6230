"""From attestation to data keys: each party's vault is asked, each answer verified.

1. The party's vault releases its room key to this machine, for this contract.
2. The answer is the vault's own, to this question.
3. The key opens in this machine only, and is the one that the contract names for the party.
4. Each of the party's data keys opens with it, from the manifest or from a secret of its vault.

The keys live as long as what is returned; nothing is kept for another job.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cleanroom.contract import Contract, RoomKey
from cleanroom.errors import Tampered
from cleanroom.keys import OAEP_SHA256, DataKey, Unwrap
from cleanroom.release import meaning
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import ReleasePolicy
from cleanroom.release.response import Asked, VaultTrust, verify
from cleanroom.release.wrapping import room_key, unwrap
from cleanroom.seal import document
from cleanroom.seal.manifest import VaultKey
from runner.attest.attester import Attestation
from runner.keys.vaults import WRAPPING, Vaults
from runner.parallel import at_once
from runner.room.datasets import VerifiedInput


@dataclass(frozen=True, slots=True)
class Released:
    """A data key, and whether its vault's policy is exactly the one that the contract asks for."""

    key: DataKey
    exact: bool


@dataclass(frozen=True, slots=True)
class Release:
    """What asking vaults needs."""

    vaults: Vaults
    anchors: tuple[bytes, ...]
    nonce: Callable[[], str]

    def keys(
        self,
        agreed: Contract,
        inputs: Sequence[VerifiedInput],
        proof: Attestation,
        now: datetime,
    ) -> dict[str, Released]:
        """Have every data key of these inputs, by alias; the vaults are asked at once."""
        by_key: dict[str, list[VerifiedInput]] = {}
        rooms: dict[str, RoomKey] = {}
        for each in inputs:
            key = each.owner.room_key
            if key is not None:
                by_key.setdefault(key.url, []).append(each)
                rooms[key.url] = key
        asked = [
            lambda key=rooms[url], theirs=theirs: self._party(agreed, key, theirs, proof, now)
            for url, theirs in by_key.items()
        ]
        return {alias: key for found in at_once(asked) for alias, key in found.items()}

    def _party(
        self,
        agreed: Contract,
        key: RoomKey,
        inputs: Sequence[VerifiedInput],
        proof: Attestation,
        now: datetime,
    ) -> dict[str, Released]:
        asked = Asked(key.url, None, WRAPPING, self.nonce())
        answer = self.vaults.release(key.url, proof.token, asked.nonce)  # 1
        trust = VaultTrust(self.anchors, urlsplit(key.url).hostname or "")
        found = verify(answer, asked, trust, now)  # 2
        opened = unwrap(found.wrapped, WRAPPING, proof.key_bytes, proof.decrypt)  # 3
        private = room_key(opened, key.public)
        exact = _is_exact(found.policy, agreed, key)

        def open_key(wrapped: bytes) -> bytes:
            try:
                return private.decrypt(wrapped, OAEP_SHA256)
            except ValueError as error:
                raise Tampered("a wrapped data key does not open with its room key") from error

        return {
            each.dataset.alias: Released(self._data_key(each, key, open_key), exact)
            for each in inputs
        }

    def _data_key(self, found: VerifiedInput, key: RoomKey, opens: Unwrap) -> DataKey:
        kept = None
        if isinstance(found.wrapped, VaultKey):
            kept = self.vaults.wrapped_key(found.wrapped.secret, key.url)
        return document.data_key(found.wrapped, kept, opens)  # 4


def _is_exact(policy: ReleasePolicy, agreed: Contract, key: RoomKey) -> bool:
    """Compare a vault's policy with what `cleanroom` writes; a weaker one is its owner's choice."""
    return any(
        meaning.equal(
            policy, release_policy(agreed.digest, agreed.runners, key.authority, svns=svns)
        )
        for svns in (True, False)
    )
