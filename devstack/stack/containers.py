"""The containers of the stack's storage: made once, and reached by signatures of limited power."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import (
    BlobServiceClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from cleanroom.errors import Unavailable
from devstack.stack.environment import ACCOUNT, Stack

LIFE = timedelta(days=30)
"""How long a signature holds."""


def signer(key: str, now: datetime) -> Callable[[str, str], str]:
    """Return what signs for a container and for what may be done there."""

    def sign(container: str, may: str) -> str:
        return generate_container_sas(
            ACCOUNT,
            container,
            key,
            permission=ContainerSasPermissions.from_string(may),
            expiry=now + LIFE,
            protocol="https",
        )

    return sign


def make(stack: Stack, names: Sequence[str]) -> None:
    """Make the containers that are missing."""
    client = BlobServiceClient.from_connection_string(
        stack.storage_connection, connection_verify=str(stack.home.authority_file)
    )
    with client:
        for name in names:
            try:
                client.create_container(name)
            except ResourceExistsError:
                continue
            except AzureError as error:
                raise Unavailable(f"storage: container {name} cannot be made") from error
