"""HTTP as attestation needs it: bounded answers, bounded patience, no redirects.

Through the pipeline of Azure's SDKs (azure-core), which follows redirects only if told to: the
address that was pinned is the one that counts.
"""

from collections.abc import Mapping
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import HeadersPolicy, RetryPolicy, UserAgentPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse

from cleanroom import __version__
from cleanroom.errors import Malformed, Unavailable

LARGEST_ANSWER = 1 << 20
OK = 200
_LONGEST_PAUSE = 5.0  # seconds between two tries, whatever the answer asks for
_RETRIES = 3

type Client = PipelineClient[HttpRequest, HttpResponse]


class _Retry(RetryPolicy[HttpRequest, HttpResponse]):
    """Waits as long as an answer asks for, but no longer than we like."""

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, _LONGEST_PAUSE)


def client(
    base: str, headers: Mapping[str, str], *, patience: float, through_proxy: bool, pause: float
) -> Client:
    """Make a client; `pause` is the first time between tries, and the next is twice as long."""
    return PipelineClient(
        base,
        policies=[
            HeadersPolicy(dict(headers)),
            UserAgentPolicy(f"cleanroom/{__version__}"),
            _Retry(
                retry_total=_RETRIES,
                retry_backoff_factor=pause,
                retry_backoff_max=_LONGEST_PAUSE,
            ),
        ],
        transport=RequestsTransport(
            use_env_settings=through_proxy, connection_timeout=patience, read_timeout=patience
        ),
    )


def fetch(client: Client, request: HttpRequest) -> tuple[int, bytes]:
    """Send a request and return status and body of the answer."""
    try:
        response = client.send_request(request, stream=True)
        with response:
            answer = b""
            for chunk in response.iter_bytes():
                answer += chunk
                if len(answer) > LARGEST_ANSWER:
                    raise Malformed(request.url, f"an answer of at most {LARGEST_ANSWER} bytes")
            return response.status_code, answer
    except AzureError as error:
        raise Unavailable(f"{request.url}: does not answer") from error
