"""The containers of the stack's storage, made once."""

from collections.abc import Sequence

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import BlobServiceClient

from cleanroom.errors import Unavailable
from devstack.stack.environment import Stack


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
