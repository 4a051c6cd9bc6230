from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ResourceTypes,
    Services,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import Malformed
from devstack import tokens
from devstack.storage import signatures
from devstack.storage.access import Access, Admitted, Role
from devstack.storage.changes import Target
from devstack.storage.delegation import Delegation
from devstack.storage.refusals import Refusal
from tests.builders import NOW

KEY = "a2V5"


def access(clock: list[datetime]) -> Access:
    key = rsa.generate_private_key(65537, 2048).public_key()
    return Access(key, "tenant", KEY, [], Delegation("tenant", {}, b""), lambda: clock[0])


@pytest.mark.parametrize(
    ("spelled", "role"),
    [
        ("runner=contributor", Role("runner", "contributor", None)),
        ("north=reader:shared", Role("north", "reader", "shared")),
    ],
)
def test_a_role_is_read(spelled: str, role: Role) -> None:
    assert Role.parse(spelled) == role


@pytest.mark.parametrize("spelled", ["", "runner", "runner=owner", "=reader", "north=reader:"])
def test_what_is_no_role_is_refused(spelled: str) -> None:
    with pytest.raises(Malformed, match="IDENTITY=reader"):
        Role.parse(spelled)


def test_a_role_for_a_container_is_not_for_the_account() -> None:
    role = Role("north", "reader", "shared")

    assert [role.covers(name) for name in ("shared", "south", "")] == [True, False, False]


def test_our_signature_is_the_sdk_s(monkeypatch: pytest.MonkeyPatch) -> None:
    until = NOW + timedelta(hours=1)
    theirs = generate_account_sas(
        "cleanroom",
        KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, list=True),
        until,
        protocol="https",
        services=Services(blob=True),
    )
    monkeypatch.setattr(signatures, "_VERSION", parse_qs(theirs)["sv"][0])

    ours = signatures.account_sas("cleanroom", KEY, "rl", until)

    assert parse_qs(ours) == parse_qs(theirs)


@pytest.mark.parametrize(("kind", "protocol"), [("b", ""), ("c", ""), ("c", "https")])
def test_our_signature_for_a_container_or_blob_is_the_sdk_s(
    kind: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = NOW + timedelta(hours=1)
    common: dict[str, Any] = {"account_key": KEY, "expiry": until, "permission": "rw"}
    common |= {"cache_control": "no-store", "content_type": "text/plain"}
    common |= {"protocol": protocol} if protocol else {}
    theirs = {
        "b": lambda: generate_blob_sas("cleanroom", "room", "a/b ü", **common),
        "c": lambda: generate_container_sas("cleanroom", "room", **common),
    }[kind]()
    monkeypatch.setattr(signatures, "_VERSION", parse_qs(theirs)["sv"][0])
    resource = {"b": "/blob/cleanroom/room/a/b ü", "c": "/blob/cleanroom/room"}[kind]
    overrides = {"rscc": "no-store", "rsct": "text/plain"}

    ours = signatures.service_sas(KEY, resource, kind, "rw", until, overrides, protocol)

    assert parse_qs(ours) == parse_qs(theirs)


def test_signatures_are_renewed_before_they_end() -> None:
    clock = [NOW]
    signing = access(clock)
    first = signing.signed("/a")

    clock[0] += timedelta(hours=23)
    same = signing.signed("/a?b=c")
    clock[0] += timedelta(hours=2)
    new = signing.signed("/a")

    assert same == first.replace("/a?", "/a?b=c&")
    assert new.startswith("/a?sv=")
    assert new != first


def test_a_token_is_believed_until_it_ends_however_often_it_came() -> None:
    key = rsa.generate_private_key(65537, 2048)
    clock = [NOW]
    roles, ours = [Role("runner", "reader", None)], tokens.Caller("runner", "runner's id")
    delegation = Delegation("tenant", {}, b"")
    asked = Access(key.public_key(), "tenant", KEY, roles, delegation, lambda: clock[0])
    token = tokens.Issuer("http://issuer/tenant", "tenant", key).issue(ours, tokens.STORAGE, NOW)
    target = Target.parse("/cleanroom/container/blob")
    assert target is not None

    def admitted() -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return isinstance(asked.admit("GET", target, headers), Admitted)

    found = [admitted(), admitted()]
    clock[0] += tokens.LIFE + tokens.LEEWAY

    assert [*found, admitted()] == [True, True, False]
    assert isinstance(asked.admit("GET", target, {"Authorization": f"Bearer {token}x"}), Refusal)
