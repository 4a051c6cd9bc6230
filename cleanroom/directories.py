"""In which directory of identities a deployment asks for a token: its own, or a party's.

- A vault and a storage account say in their challenge which directory they believe. Whoever
  answers in their place says so too, and can name any.
- In its own directory a deployment asks as its identity; in one that its settings name, as the
  application that the party there has let in; in no other.
- A token is for the service that is called. The one that stands for the identity towards other
  directories is for nobody who answers a call: with it, anybody could ask as the application.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from cleanroom.errors import Malformed, PolicyRefused, Unavailable
from cleanroom.fields import list_of, matching, shown

EXCHANGE = "api://AzureADTokenExchange/.default"
"""What an identity's token is for that an application shows in another directory."""
STORAGE = "https://storage.azure.com/.default"
MOST = 64
guid = matching(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "an id in small letters (a GUID)")
_CODE = re.compile(r"AADSTS[0-9]{1,9}", re.ASCII)

VARIABLES = {
    "DIRECTORY": "the directory (tenant) of this deployment's own identity; needed for DIRECTORIES",
    "DIRECTORIES": "other directories in which parties' vaults and accounts are (none)",
    "APPLICATION": "the client id of the application as which those are asked for tokens",
}
"""The settings' names, without a prefix, and what they say."""


@dataclass(frozen=True, slots=True)
class Directories:
    """The own directory, those of parties, and as which application to ask in these."""

    own: str | None = None
    others: frozenset[str] = frozenset()
    application: str | None = None

    @classmethod
    def parse(cls, get: Callable[[str], str | None], prefix: str) -> Self:
        """Accept settings; other directories need all three of them."""
        own, application = (
            guid(value, f"{prefix}{name}") if (value := get(name)) else None
            for name in ("DIRECTORY", "APPLICATION")
        )
        parts = [part.strip() for part in (get("DIRECTORIES") or "").split(",")]
        others = list_of(guid, 0, MOST)([part for part in parts if part], f"{prefix}DIRECTORIES")
        if others and (own is None or application is None):
            missing = "DIRECTORY" if own is None else "APPLICATION"
            raise Malformed(f"{prefix}{missing}", VARIABLES[missing], "nothing")
        if own in others:
            raise Malformed(f"{prefix}DIRECTORIES", "other directories than its own", shown(own))
        return cls(own, frozenset(others), application)

    def other(
        self, scopes: Sequence[str], named: str | None, audience: str | None = None
    ) -> str | None:
        """Say in which other directory a token is to be had; none if in the own one.

        1. It is for the one audience, where there is only one, and never for the exchange.
        2. Where no directory is set, the identity is all there is.
        3. The directory is the own one, or among the others.
        """
        if EXCHANGE in scopes or (audience is not None and list(scopes) != [audience]):
            raise PolicyRefused("a service asks for a token that is for something else")  # 1
        if self.own is None or not named or named.lower() == self.own:
            return None  # 2
        if named.lower() not in self.others:
            raise PolicyRefused(f"directory {shown(named)}: not among those that are asked")  # 3
        return named.lower()


def refused(directory: str, reason: str) -> Unavailable:
    """Say that a directory gives the application no token, with the one word of its own."""
    found = _CODE.search(reason)
    code = f" ({found[0]})" if found else ""
    return Unavailable(f"directory {directory}: gives our application no token{code}")
