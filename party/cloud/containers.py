"""Whether an identity may list a container: asked of the storage itself."""

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.storage.blob import ContainerClient

from cleanroom.errors import Unavailable
from party.cloud import identity
from party.cloud.blobs import PATIENCE, ForStorage

_FORBIDDEN = (401, 403)


def may_list(url: str, credential: ForStorage) -> bool:
    """Try to list the first name."""
    try:
        with ContainerClient.from_container_url(url, credential, **PATIENCE) as container:
            next(iter(container.list_blob_names(results_per_page=1)), None)
    except ResourceNotFoundError as error:
        raise Unavailable(f"{url}: there is no such container").with_hint(
            "the operator makes containers: azd provision"
        ) from error
    except ServiceRequestError as error:
        raise Unavailable(f"{url}: the storage does not answer").with_hint(
            "does its firewall let you in? ask the operator for your address"
        ) from error
    except ClientAuthenticationError as error:
        if error.status_code in _FORBIDDEN:
            return False
        raise identity.not_signed_in(url) from error
    except HttpResponseError as error:
        if error.status_code in _FORBIDDEN:
            return False
        raise Unavailable(f"{url}: the storage did not do it").with_hint("try again") from error
    except AzureError as error:
        raise Unavailable(f"{url}: the storage did not do it").with_hint("try again") from error
    return True
