"""A party online: its profile, and what that leads to, each opened when it is first used."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from azure.identity import DefaultAzureCredential

from cleanroom import ids
from cleanroom.contract import Contract
from cleanroom.errors import Malformed, Tampered
from cleanroom.ids import Digest
from party import contracts, profiles, views
from party.cloud import identity
from party.cloud.api import Api
from party.cloud.blobs import ForStorage
from party.cloud.vault import SIGNING, Vault
from party.errors import Usage, option
from party.profiles import Profile


def room_of(named: str) -> str:
    """Take what is no file for a room's name, before anybody is asked about it."""
    try:
        return ids.name(named, "ROOM")
    except Malformed as error:
        raise Usage(f"{named}: there is no such file, and no room is called so").with_hint(
            "cleanroom status names your rooms"
        ) from error


@dataclass
class Online:
    """One party."""

    profile: Profile
    _contracts: dict[Digest, Contract] = field(default_factory=dict)

    @classmethod
    def of(cls, named: str | None) -> Self:
        """Be the party that the option, the shell or the only profile names."""
        return cls(profiles.find(named))

    @cached_property
    def credential(self) -> DefaultAzureCredential:
        """As whom it asks."""
        return identity.credential(self.profile)

    @cached_property
    def api(self) -> Api:
        """The control plane."""
        self.profile.need("api", "audience")
        credential, profile = self.credential, self.profile
        directory = profile.directory or None
        return Api(profile.api, lambda: identity.token(credential, profile.audience, directory))

    @cached_property
    def vault(self) -> Vault:
        """Its own vault."""
        self.profile.need("vault")
        return Vault(self.profile.vault, self.credential)

    def storage(self, url: str) -> ForStorage:
        """As whom it asks there: the account of the rooms believes the operator's directory."""
        account = self.profile.rooms.rpartition("/")[0]
        theirs = bool(account) and url.startswith(f"{account}/")
        return ForStorage(self.credential, self.profile.directory or None if theirs else None)

    @property
    def signer(self) -> str:
        """Name the key that signs; whoever is asked for it knows the party by then."""
        return f"azurekms://{self.vault.url.removeprefix('https://')}/keys/{SIGNING}"

    def contract(self, named: str) -> Contract:
        """Find a contract: a file, a room's latest one, or ROOM/DIGEST."""
        if contracts.is_file(named):
            return contracts.load(Path(named))
        room, _, digest = named.partition("/")
        room_of(room)
        found = digest.removeprefix("sha256:")
        return self.of_room(room, option(Digest.from_hex, found, "CONTRACT") if found else None)

    def of_room(self, room: str, digest: Digest | None = None) -> Contract:
        """Fetch a room's contract: the one named so, or the latest."""
        wanted = digest or self.latest(room).contract
        if wanted not in self._contracts:
            self._contracts[wanted] = self.api.contract(room, wanted)
        found = self._contracts[wanted]
        if found.room != room:
            raise Tampered(
                f"the control plane: sent a contract of the room {found.room!r} for {room!r}"
            )
        return found

    def latest(self, room: str) -> views.Agreement:
        """Look up which contract a room has now."""
        found = self.api.room(room).latest
        if found is None:
            raise Usage(f"room {room!r}: has no contract yet").with_hint(
                "cleanroom propose contract.yaml"
            )
        return found
