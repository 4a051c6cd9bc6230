"""Who asks: azure-identity finds out, and what it says of its search is not for a terminal."""

import logging

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential

from cleanroom.errors import Unavailable
from party import settings
from party.profiles import Profile

HINT = 'az login; on the dev stack: eval "$(cleanroom-dev env PARTY)", or --profile PARTY'


def credential(profile: Profile) -> DefaultAzureCredential:
    """Ask as the profile's identity, or as whoever is signed in."""
    settings.be(profile.identity)
    logging.getLogger("azure").setLevel(logging.CRITICAL + 1)
    return DefaultAzureCredential(
        additionally_allowed_tenants=list(filter(None, [profile.directory]))
    )


def token(found: TokenCredential, audience: str, directory: str | None = None) -> str:
    """Get a token for an application, of a directory or of the one where one is signed in."""
    try:
        return found.get_token(f"{audience}/.default", tenant_id=directory).token
    except (ClientAuthenticationError, ValueError) as error:  # ValueError: odd settings
        raise not_signed_in(audience) from error


def not_signed_in(place: str) -> Unavailable:
    """Say that nobody is signed in whom that place would know."""
    return Unavailable(f"{place}: no identity to ask with").with_hint(HINT)
