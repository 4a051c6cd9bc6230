"""Publishing by the genuine client, here and in Azure: what is taken, and what is refused how.

Delivery, which Azure does to addresses that it can reach, is in test_eventgrid_delivery.py.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from azure.core.credentials import AzureKeyCredential, AzureSasCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, generate_sas

from devstack import clock
from tests.ports.azure import PLACES
from tests.ports.services import Nobody, Topic, topic_at

MIB = 1 << 20


@pytest.fixture(scope="module", params=PLACES)
def topic(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Topic]:
    with topic_at(request.param, tmp_path_factory.mktemp("eventgrid")) as found:
        yield found


@pytest.fixture(autouse=True)
def trusted(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    if topic.trust:  # pragma: no branch  # Azure's is trusted anyway
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(topic.trust))


def event(data: object = None) -> CloudEvent[object]:
    return CloudEvent(source="/tests", type="Cleanroom.Test", subject="likeness", data=data)


def signature(topic: Topic, key: str, life: timedelta) -> AzureSasCredential:
    return AzureSasCredential(str(generate_sas(topic.endpoint, key, clock.now() + life)))


# --- taken


def test_events_are_taken_by_the_topic_s_key(topic: Topic) -> None:
    with topic.publisher() as publisher:
        publisher.send(event({"rows": 1}))
        publisher.send([event(), event(b"\0\1"), event("text")])
        publisher.send({"specversion": "1.0", "id": "1", "source": "/tests", "type": "T"})


def test_events_are_taken_by_a_signature_of_the_key(topic: Topic) -> None:
    with topic.publisher(signature(topic, topic.key, timedelta(minutes=5))) as publisher:
        publisher.send(event())


def test_events_are_taken_by_the_token_of_an_identity(topic: Topic) -> None:
    with topic.publisher(topic.credential) as publisher:
        publisher.send(event())


def test_a_batch_of_nearly_a_mebibyte_is_taken(topic: Topic) -> None:
    with topic.publisher() as publisher:
        publisher.send([event("x" * (MIB // 4)) for _ in range(3)])


# --- refused


def test_another_key_is_refused(topic: Topic) -> None:
    with (
        topic.publisher(AzureKeyCredential("d3Jvbmc=")) as publisher,
        pytest.raises(ClientAuthenticationError, match="authorization key is not authorized") as no,
    ):
        publisher.send(event())

    assert no.value.status_code == 401


def test_a_signature_that_ended_is_refused(topic: Topic) -> None:
    ended = signature(topic, topic.key, -timedelta(hours=1))

    with topic.publisher(ended) as publisher, pytest.raises(ClientAuthenticationError) as refused:
        publisher.send(event())

    assert refused.value.status_code == 401


def test_a_signature_of_another_key_is_refused(topic: Topic) -> None:
    forged = signature(topic, "d3Jvbmc=", timedelta(hours=1))

    with topic.publisher(forged) as publisher, pytest.raises(ClientAuthenticationError) as refused:
        publisher.send(event())

    assert refused.value.status_code == 401


def test_what_is_no_token_is_refused(topic: Topic) -> None:
    with (
        topic.publisher(Nobody()) as publisher,
        pytest.raises(ClientAuthenticationError) as refused,
    ):
        publisher.send(event())

    assert refused.value.status_code == 401


def test_a_batch_that_is_too_large_is_refused(topic: Topic) -> None:
    with topic.publisher() as publisher, pytest.raises(HttpResponseError, match="maximum") as no:
        publisher.send([event("x" * MIB) for _ in range(2)])

    assert no.value.status_code == 413


def test_an_event_of_the_other_schema_is_refused(topic: Topic) -> None:
    with topic.publisher() as publisher, pytest.raises(HttpResponseError) as refused:
        publisher.send(EventGridEvent("s", "T", {}, "1"))

    assert refused.value.status_code == 400


def test_a_topic_that_is_not_there_takes_nothing(topic: Topic) -> None:
    """A topic of Azure has a name in DNS, so it may be that there is nobody to ask."""
    with (
        topic.publisher(endpoint=topic.missing) as publisher,
        pytest.raises((HttpResponseError, ServiceRequestError)),
    ):
        publisher.send(event(), retry_total=0)
