"""Whether everything is as a party needs it: asked as the party, of the services themselves.

1. The vault answers and has the keys that the party is known by.
2. The attestation service that the vault shall believe answers as itself.
3. The control plane takes the party's token.
4. Storage gives what a party may have, and refuses what it may not.
5. Each room's key is released for what the party approved, and for nothing else.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from cleanroom.contract import Contract, RoomKey
from cleanroom.errors import PolicyRefused
from cleanroom.release import meaning
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import ReleasePolicy
from party.approving import member
from party.cloud import authority
from party.cloud.containers import may_list
from party.cloud.vault import closed, room_key_name
from party.findings import Finding, looked_at
from party.online import Online
from party.views import Agreement

_CONTROL = "control"


def examine(online: Online, rooms: Sequence[str]) -> Iterator[Finding]:
    """Look at each thing in turn, whatever became of the one before."""
    profile = online.profile
    if profile.vault:
        yield looked_at("vault: signing key", partial(_signing, online))  # 1
        yield looked_at("vault: reader key", partial(_reader, online))
    if profile.authority:
        yield looked_at("attestation service", partial(authority.check, profile.authority))  # 2
    if profile.api:
        yield looked_at("control plane", partial(_ask, online))  # 3
    for what, url in (("datasets", profile.datasets), ("rooms", profile.rooms)):  # 4
        if url:
            yield looked_at(f"storage: {what}", partial(_read, online, url))
    if profile.rooms:
        url = f"{profile.rooms.rpartition('/')[0]}/{_CONTROL}"
        yield looked_at(f"storage: {_CONTROL}", partial(_be_refused, online, url))
    for room in rooms:
        yield looked_at(f"room {room}: key", partial(_check_key, online, room))  # 5


def _signing(online: Online) -> None:
    online.vault.signing()


def _reader(online: Online) -> None:
    online.vault.reader()


def _ask(online: Online) -> None:
    online.api.rooms()


def _read(online: Online, url: str) -> None:
    if not may_list(url, online.storage(url)):
        raise PolicyRefused(f"{url}: your identity may not read it").with_hint(
            "the operator grants it: name your identity in the parameter parties, azd provision"
        )


def _be_refused(online: Online, url: str) -> None:
    """Fail to read what is the control plane's own."""
    if may_list(url, online.storage(url)):
        raise PolicyRefused(f"{url}: your identity may read it, and should not").with_hint(
            "a grant is too wide: the operator gives parties single containers"
        )


def _check_key(online: Online, room: str) -> None:
    """Compare the room key's policy with what this party approved of the room's contracts."""
    ours = online.profile.need("vault", "authority")
    url = f"{ours.vault}/keys/{room_key_name(room)}"
    policy = online.vault.policy(url)
    if meaning.equal(policy, closed(ours.authority)):
        return  # released to nobody
    for one in online.api.room(room).agreements:
        contract = online.of_room(room, one.contract)
        key = member(contract, ours.name).room_key
        if key is not None and key.url == url and _is_for(policy, contract, key):
            _check_approved(one, ours.name, url, room)
            return
    raise PolicyRefused(f"{url}: is released for what is no contract of this room").with_hint(
        f"cleanroom explain {room}, then cleanroom approve or cleanroom revoke"
    )


def _is_for(policy: ReleasePolicy, contract: Contract, key: RoomKey) -> bool:
    """Tell whether a policy is the one for a contract, with firmware or without."""
    return any(
        meaning.equal(
            policy, release_policy(contract.digest, contract.runners, key.authority, svns=svns)
        )
        for svns in (True, False)
    )


def _check_approved(one: Agreement, party: str, url: str, room: str) -> None:
    said = {word.party: word.decision for word in one.words}.get(party)
    if said != "approve":
        raise PolicyRefused(
            f"{url}: is released for a contract on which your word is {said or 'none'}"
        ).with_hint(f"cleanroom approve {room}, or cleanroom revoke {room} to close the key")
