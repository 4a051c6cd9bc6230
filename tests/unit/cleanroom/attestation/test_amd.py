"""A chain is believed when it leads from a trusted root to a key for reports, and not otherwise."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.amd import (
    AMD_ROOTS,
    Kind,
    Root,
    TrustedRoots,
    synthetic_root,
    verify_chain,
)
from cleanroom.attestation.certificates import Certificate
from cleanroom.attestation.report import Product
from cleanroom.errors import CleanroomError, Malformed, Unattested
from devstack.hardware.amd import ARC, CHIP_ID, TCB, TURIN_TCB, SyntheticAmd, pem, rsa_key
from tests.hardware import DAY, NOW, PRODUCTS

type Spoil = Callable[[SyntheticAmd], SyntheticAmd]

NAME = "O=Cleanroom synthetic hardware"


def refused(amd: SyntheticAmd, message: str) -> None:
    with pytest.raises(Unattested, match=f"^{re.escape(message)}$"):
        verify_chain(amd.pem(), amd.roots, NOW)


@pytest.mark.parametrize("kind", ["VCEK", "VLEK"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_chain_tells_whose_key_signs_reports(product: Product, kind: Kind) -> None:
    amd = SyntheticAmd.make(product, kind)

    found = verify_chain(amd.pem(), amd.roots, NOW)

    turin = product is Product.TURIN
    chip_id = CHIP_ID[:8] + bytes(56) if turin else CHIP_ID
    assert (found.kind, found.product, found.synthetic) == (kind, product, True)
    assert found.key == amd.leaf.key.public_key()
    assert found.tcb == (TURIN_TCB if turin else TCB)
    assert found.chip_id == (chip_id if kind == "VCEK" else None)


@pytest.mark.parametrize(
    "roles",
    [
        ("leaf", "ask", "ark"),
        ("ark", "ask", "leaf"),
        ("ask", "ark", "leaf"),
        ("ask", "leaf", "ark"),
    ],
)
def test_the_certificates_come_in_any_order(roles: tuple[str, ...]) -> None:
    amd = SyntheticAmd.make()

    found = verify_chain(amd.pem(*roles), amd.roots, NOW)  # type: ignore[arg-type]  # of str

    assert found.kind == "VCEK"


def test_an_intermediate_that_is_not_needed_may_be_there() -> None:
    amd = SyntheticAmd.make()
    other = SyntheticAmd.make(kind="VLEK")

    found = verify_chain(other.pem("ask") + amd.pem(), amd.roots, NOW)

    assert found.kind == "VCEK"


# --- roots


def test_a_synthetic_root_is_trusted_by_nobody_who_did_not_say_so() -> None:
    amd = SyntheticAmd.make()

    with pytest.raises(Unattested, match=r"^the chain has 0 trusted roots, expected exactly 1$"):
        verify_chain(amd.pem(), AMD_ROOTS, NOW)


def test_a_root_with_the_right_names_and_another_key_is_not_trusted() -> None:
    amd = SyntheticAmd.make()
    forged = amd.spoilt("ark", key=rsa_key("other"), signer=rsa_key("other"))
    forged = forged.spoilt("ask", signer=rsa_key("other"))

    with pytest.raises(Unattested, match=r"^the chain has 0 trusted roots, expected exactly 1$"):
        verify_chain(forged.pem(), amd.roots, NOW)


def test_two_trusted_roots_leave_open_which_is_meant() -> None:
    milan, genoa = SyntheticAmd.make(), SyntheticAmd.make(Product.GENOA)
    roots = TrustedRoots(milan.roots.synthetic + genoa.roots.synthetic)

    with pytest.raises(Unattested, match=r"^the chain has 2 trusted roots, expected exactly 1$"):
        verify_chain(genoa.pem("ark") + milan.pem(), roots, NOW)


def test_a_root_trusted_for_another_product_is_refused() -> None:
    amd = SyntheticAmd.make()
    roots = TrustedRoots(((amd.roots.synthetic[0][0], Product.GENOA),))

    with pytest.raises(Unattested, match=r"^the root is named 'ARK-Milan', expected 'ARK-Genoa'$"):
        verify_chain(amd.pem(), roots, NOW)


def test_what_a_root_stands_for() -> None:
    amd = SyntheticAmd.make(Product.TURIN)
    fingerprint = hashlib.sha256(amd.der("ark")).hexdigest()

    assert amd.roots.find(fingerprint) == Root(Product.TURIN, synthetic=True)
    assert AMD_ROOTS.find(fingerprint) is None


@pytest.mark.parametrize(
    ("fingerprint", "product"),
    [
        ("69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd", Product.MILAN),
        ("4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1", Product.GENOA),
        ("1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a", Product.TURIN),
    ],
)
def test_amds_roots_are_genuine_whatever_is_said_of_them(
    fingerprint: str, product: Product
) -> None:
    misled = TrustedRoots(((fingerprint, Product.MILAN),))

    assert AMD_ROOTS.find(fingerprint) == Root(product, synthetic=False)
    assert misled.find(fingerprint) == Root(product, synthetic=False)


# --- each check alone

CHECKS = [
    pytest.param(
        lambda amd: amd.spoilt("leaf", name="SEV-OTHER"),
        "the chain has 0 certificates SEV-VCEK or SEV-VLEK, expected exactly 1",
        id="leaf's name",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ask", name="SEV-Genoa"),
        "the chain has 0 certificates SEV-Milan, expected exactly 1",
        id="intermediate of another product",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", name="SEV-VLEK"),
        "the chain has 0 certificates SEV-VLEK-Milan, expected exactly 1",
        id="VLEK under the intermediate for VCEK",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ark", name="ARK-Genoa"),
        "the root is named 'ARK-Genoa', expected 'ARK-Milan'",
        id="root's name",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ask", issuer="ARK-Genoa"),
        f"SEV-Milan was issued by 'CN=ARK-Genoa,{NAME}', expected 'CN=ARK-Milan,{NAME}'",
        id="intermediate's issuer",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", issuer="SEV-Genoa"),
        f"SEV-VCEK was issued by 'CN=SEV-Genoa,{NAME}', expected 'CN=SEV-Milan,{NAME}'",
        id="leaf's issuer",
    ),
    *(
        pytest.param(
            lambda amd, role=role: amd.spoilt(role, authority=False),
            f"{name} is no authority, expected one",
            id=f"{role} is no authority",
        )
        for role, name in (("ark", "ARK-Milan"), ("ask", "SEV-Milan"))
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", authority=True),
        "SEV-VCEK is an authority, expected none",
        id="leaf is an authority",
    ),
    pytest.param(
        lambda amd: amd.spoilt(
            "ark", key=rsa_key("small", 3072), signer=rsa_key("small", 3072)
        ).spoilt("ask", signer=rsa_key("small", 3072)),
        "the key of ARK-Milan is not RSA-4096",
        id="root's key is small",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ask", key=rsa_key("small", 3072)).spoilt(
            "leaf", signer=rsa_key("small", 3072)
        ),
        "the key of SEV-Milan is not RSA-4096",
        id="intermediate's key is small",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ask", key=ec.generate_private_key(ec.SECP384R1())),
        "the key of SEV-Milan is not RSA-4096",
        id="intermediate's key is no RSA",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", key=ec.generate_private_key(ec.SECP256R1())),
        "the key of SEV-VCEK is not on P-384",
        id="leaf's curve",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", key=rsa_key("other")),
        "the key of SEV-VCEK is not on P-384",
        id="leaf's key is RSA",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ask", signer=rsa_key("other")),
        "the signature of SEV-Milan does not hold",
        id="intermediate signed by another",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", signer=rsa_key("other")),
        "the signature of SEV-VCEK does not hold",
        id="leaf signed by another",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", signer=rsa_key("ark")),
        "the signature of SEV-VCEK does not hold",
        id="leaf signed by the root",
    ),
    pytest.param(
        lambda amd: amd.spoilt("leaf", salt=32, serial=1),
        "the signature of SEV-VCEK does not hold",
        id="leaf signed with a short salt",
    ),
    pytest.param(
        lambda amd: amd.spoilt("ask", salt=32),
        "the signature of SEV-Milan does not hold",
        id="intermediate signed with a short salt",
    ),
    pytest.param(
        lambda amd: amd.with_extension(f"{ARC}.4", None),
        f"extension {ARC}.4 of SEV-VCEK does not hold 64 bytes",
        id="no chip",
    ),
    pytest.param(
        lambda amd: amd.with_extension(f"{ARC}.4", CHIP_ID[:63]),
        f"extension {ARC}.4 of SEV-VCEK does not hold 64 bytes",
        id="short chip",
    ),
    pytest.param(
        lambda amd: amd.with_extension(f"{ARC}.4", CHIP_ID + b"\0\0"),
        f"extension {ARC}.4 of SEV-VCEK does not hold 64 bytes",
        id="long chip",
    ),
    pytest.param(
        lambda amd: amd.with_extension(f"{ARC}.4", b"\x04\x41" + CHIP_ID),
        f"extension {ARC}.4 of SEV-VCEK does not hold 64 bytes",
        id="octet string of another length",
    ),
    *(
        pytest.param(
            lambda amd, n=n: amd.with_extension(f"{ARC}.3.{n}", None),
            f"SEV-VCEK has no extension {ARC}.3.{n}",
            id=f"no version {n}",
        )
        for n in (1, 2, 3, 8)
    ),
    *(
        pytest.param(
            lambda amd, n=n: amd.with_extension(f"{ARC}.3.{n}", b"\x02\x01\x01"),
            f"extension {ARC}.3.{n} of SEV-VCEK is not 0",
            id=f"reserved version {n}",
        )
        for n in (4, 5, 6, 7)
    ),
    *(
        pytest.param(
            lambda amd, value=value: amd.with_extension(f"{ARC}.3.8", bytes.fromhex(value)),
            f"extension {ARC}.3.8 of SEV-VCEK is {value}, expected the DER of a number up to 255",
            id=f"version spelled {value or 'as nothing'}",
        )
        for value in (
            *(
                "",
                "02",
                "0201",
                "020180",
                "0201db",
                "0201db00",
                "020200db00",
                "02020001",
                "020201db",
            ),
            *("0202db", "0303000000db", "0401db", "0281020000db", "028101"),
        )
    ),
]


@pytest.mark.parametrize(("spoil", "message"), CHECKS)
def test_each_check_of_a_chain_refuses_alone(spoil: Spoil, message: str) -> None:
    amd = SyntheticAmd.make()
    spoilt = spoil(amd)

    verify_chain(amd.pem(), amd.roots, NOW)
    refused(spoilt, message)


@pytest.mark.parametrize("role", ["ark", "ask", "leaf"])
@pytest.mark.parametrize(
    ("before", "after", "good"),
    [
        pytest.param(NOW, NOW + DAY, True, id="from now"),
        pytest.param(NOW - DAY, NOW, True, id="until now"),
        pytest.param(NOW + DAY, NOW + 2 * DAY, False, id="not yet"),
        pytest.param(NOW - 2 * DAY, NOW - DAY, False, id="no more"),
    ],
)
def test_a_certificate_has_its_time(
    role: str, before: datetime, after: datetime, *, good: bool
) -> None:
    amd = SyntheticAmd.make().spoilt(role, not_before=before, not_after=after)  # type: ignore[arg-type]  # of str
    name = {"ark": "ARK-Milan", "ask": "SEV-Milan", "leaf": "SEV-VCEK"}[role]

    if good:
        assert verify_chain(amd.pem(), amd.roots, NOW).kind == "VCEK"
    else:
        span = f"{before:%Y-%m-%dT%H:%M:%SZ} to {after:%Y-%m-%dT%H:%M:%SZ}"
        refused(
            amd, f"the certificate {name!r} is valid from {span}, not at {NOW:%Y-%m-%dT%H:%M:%SZ}"
        )


@pytest.mark.parametrize("missing", ["ark", "ask", "leaf"])
def test_a_chain_cut_short_is_refused(missing: str) -> None:
    amd = SyntheticAmd.make()
    roles = [role for role in ("leaf", "ask", "ark") if role != missing]

    with pytest.raises(Unattested, match=r"^the chain has 0 "):
        verify_chain(amd.pem(*roles), amd.roots, NOW)  # type: ignore[arg-type]  # of str


@pytest.mark.parametrize("doubled", ["ark", "ask", "leaf"])
def test_a_certificate_that_stands_twice_is_refused(doubled: str) -> None:
    amd = SyntheticAmd.make()

    with pytest.raises(Unattested, match=r"^the chain has 2 "):
        verify_chain(amd.pem() + amd.pem(doubled), amd.roots, NOW)  # type: ignore[arg-type]  # of str


def test_nothing_is_no_chain() -> None:
    with pytest.raises(Unattested, match=r"^the chain has 0 trusted roots, expected exactly 1$"):
        verify_chain(b"", AMD_ROOTS, NOW)


def test_more_certificates_than_a_chain_has_are_refused() -> None:
    amd = SyntheticAmd.make()

    with pytest.raises(Malformed, match=r"^chain: expected 1 to 6 PEM certificates"):
        verify_chain(amd.pem() + amd.pem() + amd.pem("ark"), amd.roots, NOW)


def test_turin_needs_the_version_of_its_first_mutable_code() -> None:
    amd = SyntheticAmd.make(Product.TURIN).with_extension(f"{ARC}.3.9", None)

    refused(amd, f"SEV-VCEK has no extension {ARC}.3.9")


def test_an_older_certificate_wraps_the_name_of_the_chip() -> None:
    amd = SyntheticAmd.make().with_extension(f"{ARC}.4", b"\x04\x40" + CHIP_ID)

    assert verify_chain(amd.pem(), amd.roots, NOW).chip_id == CHIP_ID


@pytest.mark.parametrize(
    ("value", "octets"),
    [(0, "020100"), (1, "020101"), (127, "02017f"), (128, "02020080"), (255, "020200ff")],
)
def test_a_version_is_a_number_of_one_byte_that_may_take_two(value: int, octets: str) -> None:
    amd = SyntheticAmd.make().with_extension(f"{ARC}.3.8", bytes.fromhex(octets))

    assert verify_chain(amd.pem(), amd.roots, NOW).tcb == replace(TCB, microcode=value)


def test_every_byte_of_a_leaf_is_covered() -> None:
    amd = SyntheticAmd.make()
    der, rest = amd.der("leaf"), amd.pem("ask", "ark")

    believed = [at for at in range(len(der)) if _believed(flipped(der, at), rest, amd.roots)]

    assert believed == []


def _believed(der: bytes, rest: bytes, roots: TrustedRoots) -> bool:
    try:
        verify_chain(pem(der) + rest, roots, NOW)
    except CleanroomError:
        return False
    return True


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def test_the_fingerprint_of_a_root_is_of_its_der() -> None:
    amd = SyntheticAmd.make()

    assert amd.roots.synthetic == ((hashlib.sha256(amd.der("ark")).hexdigest(), Product.MILAN),)


@pytest.mark.parametrize("product", list(Product))
def test_a_synthetic_root_is_named_by_its_certificate(product: Product) -> None:
    amd = SyntheticAmd.make(product)

    root = Certificate.parse(amd.der("ark"), "root")

    assert (synthetic_root(root, "root"),) == amd.roots.synthetic


def test_what_is_no_root_is_not_trusted() -> None:
    certificate = Certificate.parse(SyntheticAmd.make().der("ask"), "root")

    with pytest.raises(Malformed, match=r"^root: expected the certificate of a root such as ARK-M"):
        synthetic_root(certificate, "root")
