"""Whether an attestation service answers as itself, and with keys."""

from cleanroom.attestation.token import Authority, jwks_url
from party.cloud import fetching


def check(url: str) -> None:
    """Fetch where its keys are, and the keys."""
    where = f"{url}/.well-known/openid-configuration"
    keys_at = jwks_url(url, fetching.get(where), where)
    Authority.parse_keys(url, fetching.get(keys_at), keys_at)
