"""What a party's own deployment is told (infra/party/main.bicep): who may do what, which policies.

A room key is deployed with the policy of one contract, or with one that nothing meets. Azure never
changes the policy of a key that is there: from then on `cleanroom approve` does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from cleanroom import ids
from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused
from cleanroom.fields import matching, one_of
from cleanroom.ids import Digest
from cleanroom.jose import base64url_text
from cleanroom.release.explaining import explain
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import ReleasePolicy
from party.approving import member
from party.cloud.vault import closed, room_key_name
from party.errors import Usage, option

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
ADMINISTRATORS = ("Group", "ServicePrincipal", "User")
vault_name = matching(
    r"(?=.{3,24}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*", "3 to 24 small letters, digits and hyphens"
)
object_id = matching(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "an object id of the directory (a GUID)"
)
subnet_id = matching(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]{1,90}/providers/Microsoft\.Network"
    r"/virtualNetworks/[\w.-]{1,80}/subnets/[\w.-]{1,80}",
    "the resource id of a subnet",
)
address_range = matching(
    r"(\d{1,3}\.){3}\d{1,3}(/(8|9|[12]\d|3[0-2]))?",
    "an IPv4 address, or a range such as 203.0.113.0/24",
)
administrator_type = one_of(*ADMINISTRATORS)


@dataclass(frozen=True, slots=True)
class Room:
    """A room, and under which policy its key is made."""

    name: str
    policy: ReleasePolicy
    contract: Digest | None

    @property
    def said(self) -> str:
        """Say who gets the key."""
        return explain(self.policy) if self.contract else "its key is released to nobody yet"

    @classmethod
    def closed(cls, name: str, authority: str) -> "Room":
        """Give a room whose key nobody gets yet."""
        return cls(ids.name(name, "room"), closed(authority), None)

    @classmethod
    def of(cls, contract: Contract, party: str, vault: str, *, svns: bool) -> "Room":
        """Give the room of a contract, with the policy that approving it would set."""
        key = member(contract, party).room_key
        if key is None:
            raise Usage(f"{party!r} brings no data to {contract.room!r}, and so has no key there")
        host, path = urlsplit(key.url).netloc, urlsplit(key.url).path
        wanted = f"/keys/{room_key_name(contract.room)}"
        if host.partition(".")[0] != vault or path != wanted:
            raise PolicyRefused(
                f"the contract names {key.url} as the room key, and this deployment makes"
                f" {wanted.removeprefix('/keys/')} in the vault {vault}"
            ).with_hint("it is for another vault, or another room")
        policy = release_policy(contract.digest, contract.runners, key.authority, svns=svns)
        return cls(contract.room, policy, contract.digest)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that the template asks for."""

    party: str
    vault: str
    rooms: tuple[Room, ...]
    runner: str
    functions: str
    administrator: str
    administrator_type: str
    runner_subnets: tuple[str, ...] = ()
    functions_subnets: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def parameters(self) -> Mapping[str, object]:
        """Name the values as the template does."""
        return {
            "party": self.party,
            "vaultName": self.vault,
            "rooms": [
                {"name": room.name, "releasePolicy": base64url_text(room.policy.to_bytes())}
                for room in self.rooms
            ],
            "runnerPrincipalId": self.runner,
            "functionsPrincipalId": self.functions,
            "administratorPrincipalId": self.administrator,
            "administratorType": self.administrator_type,
            "runnerSubnetIds": list(self.runner_subnets),
            "functionsSubnetIds": list(self.functions_subnets),
            "ownAddressRanges": list(self.addresses),
        }

    def to_bytes(self) -> bytes:
        """Spell the parameters' file."""
        document = {
            "$schema": _SCHEMA,
            "contentVersion": "1.0.0.0",
            "parameters": {name: {"value": value} for name, value in self.parameters().items()},
        }
        return (json.dumps(document, indent=2) + "\n").encode()


def rooms(
    names: Sequence[str],
    contracts: Sequence[Contract],
    party: str,
    vault: str,
    authority: str | None,
    *,
    svns: bool,
) -> tuple[Room, ...]:
    """Give each room once: with its contract's policy, or with none that can be met."""
    found = {each.room: Room.of(each, party, vault, svns=svns) for each in contracts}
    if len(found) < len(contracts):
        raise Usage("two contracts of one room: a key is for one of them")
    for name in names:
        if option(ids.name, name, "--room") not in found:
            if authority is None:
                raise Usage("missing: --authority").with_hint(
                    "the attestation service that your vault shall believe"
                )
            found[name] = Room.closed(name, authority)
    if not found:
        raise Usage("missing: --room or --contract")
    return tuple(found[name] for name in sorted(found))
