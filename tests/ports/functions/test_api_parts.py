"""Parts of the API that talk to storage: who belongs where, and links that are signed."""

import asyncio
import ssl
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob.aio import BlobServiceClient

from cleanroom.errors import Unavailable
from cleanroom.ids import Digest
from functions.api.auth import OPERATOR, Caller
from functions.api.links import Links
from functions.api.members import Members
from functions.owned import Account, Owned
from tests.rooms import Place, second

ONE, OTHER = Digest.of(b"one"), Digest.of(b"other")
NORTH = Caller(operator=False, party="north")


def with_storage[T](place: Place, work: Callable[[BlobServiceClient, Account], Awaitable[T]]) -> T:
    """Do something as the functions' identity."""

    async def main() -> T:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        async with (
            DefaultAzureCredential() as credential,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            transport = AioHttpTransport(session=session, session_owner=False)
            service = BlobServiceClient(place.url, credential, transport=transport)
            return await work(service, Account(place.url, credential, session))

    return asyncio.run(main())


def members(service: BlobServiceClient, account: Account) -> Members:
    containers = (service.get_container_client(name) for name in ("rooms", "control"))
    return Members(*(Owned(container, account) for container in containers))


def test_of_many_who_begin_a_room_one_does(place: Place) -> None:
    room = f"room-{uuid.uuid4().hex[:8]}"

    async def work(service: BlobServiceClient, account: Account) -> list[bool]:
        made = members(service, account)
        claims = (made.claim(room, digest) for digest in (ONE, OTHER) * 4)
        return await asyncio.gather(*claims)

    won = with_storage(place, work)

    assert won in ([True, False] * 4, [False, True] * 4)


def test_a_party_sees_a_room_when_its_contract_is_known(place: Place) -> None:
    room = f"room-{uuid.uuid4().hex[:8]}"

    async def work(service: BlobServiceClient, account: Account) -> list[bool]:
        made = members(service, account)
        before = await made.sees(NORTH, room), await made.sees(OPERATOR, room)
        await service.get_blob_client("control", f"parties/north/{room}").upload_blob(b"")
        await service.get_blob_client("rooms", f"{room}/contracts/x.json").upload_blob(b"")
        after = await made.sees(NORTH, room), await made.sees(OPERATOR, room)
        nobody = await made.sees(Caller(operator=False, party=None), room)
        return [*before, *after, nobody]

    assert with_storage(place, work) == [False, False, True, True, False]


def test_a_key_to_sign_with_is_kept_until_it_is_near_its_end(place: Place) -> None:
    start, moments = second(), [0, 60, 104, 106]

    async def work(service: BlobServiceClient, _: Account) -> list[str]:
        now = [start]
        links = Links(service, lambda: now[0])
        ends = []
        for minutes in moments:
            now[0] = start + timedelta(minutes=minutes)
            query = parse_qs(urlsplit((await links.to("room/job/out.sealed")).url).query)
            assert moment(query["se"][0]) < moment(query["ske"][0])
            ends.append(query["ske"][0])
        return ends

    ends = with_storage(place, work)

    assert [ends.index(end) for end in ends] == [0, 0, 0, 3]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_without_a_key_there_is_no_link(place: Place) -> None:
    async def work(service: BlobServiceClient, _: Account) -> None:
        await Links(service, lambda: second() + timedelta(days=30)).to("a")

    with pytest.raises(Unavailable, match="INVALID_XML_NODE_VALUE"):
        with_storage(place, work)
