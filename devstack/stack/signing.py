"""Signatures of limited power, by which parties reach the containers of the stack's storage."""

from datetime import datetime, timedelta

from devstack.stack.environment import ACCOUNT, Sign
from devstack.storage.signatures import service_sas

LIFE = timedelta(days=30)
"""How long a signature holds."""


def signer(key: str, now: datetime) -> Sign:
    """Return what signs for a container and for what may be done there."""

    def sign(container: str, may: str) -> str:
        return service_sas(key, f"/blob/{ACCOUNT}/{container}", "c", may, now + LIFE, {}, "https")

    return sign
