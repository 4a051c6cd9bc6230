"""A utility VM is endorsed by a trusted issuer, for its measurement, and not too old."""

import re
from collections.abc import Callable
from dataclasses import replace

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation import uvm
from cleanroom.attestation.certificates import Certificate
from cleanroom.attestation.uvm import Endorsement, UvmIssuer, microsoft
from cleanroom.errors import CleanroomError, Malformed, Unattested
from devstack.hardware.amd import SyntheticAmd, rsa_key
from devstack.hardware.uvm import EKU, FEED, Endorser

MEASUREMENT = b"\x4d" * 48

type Spoil = Callable[[Endorser], Endorser]


def verified(cose: bytes, issuer: UvmIssuer | None = None) -> Endorsement:
    return uvm.verify(cose, [issuer or Endorser.make().issuer()], MEASUREMENT)


def test_an_endorsement_tells_issuer_and_version() -> None:
    made = Endorser.make()

    assert verified(made.endorse(MEASUREMENT)) == Endorsement(made.issuer(), 100)


def test_the_tag_may_be_left_out() -> None:
    assert verified(replace(Endorser.make(), tag=b"").endorse(MEASUREMENT)).svn == 100


def test_the_issuer_is_one_of_the_trusted() -> None:
    made = Endorser.make()

    found = uvm.verify(made.endorse(MEASUREMENT), [microsoft(1), made.issuer()], MEASUREMENT)

    assert found.issuer == made.issuer()


def test_how_microsoft_is_named() -> None:
    assert microsoft(22).did == (
        "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s"
        "::eku:1.3.6.1.4.1.311.76.59.1.2"
    )


def refused(made: Endorser, message: str) -> None:
    with pytest.raises(Unattested, match=f"^{re.escape(message)}"):
        verified(made.endorse(MEASUREMENT))


def self_issued() -> bytes:
    return Endorser.make().chain()[0]


DID = Endorser.make().issuer().did
CHECKS = [
    pytest.param(
        lambda made: replace(made, header={1: -37}),
        "the uvm endorsement is not signed by PS384 (-38)",
        id="PS256",
    ),
    pytest.param(
        lambda made: replace(made, header={1: None}),
        "the uvm endorsement is not signed by PS384 (-38)",
        id="no algorithm",
    ),
    pytest.param(
        lambda made: replace(made, header={"iss": "did:x509:0:sha256:other"}),
        f"the uvm endorsement's issuer and feed are not those of {DID}",
        id="issuer",
    ),
    pytest.param(
        lambda made: replace(made, header={"iss": None}),
        f"the uvm endorsement's issuer and feed are not those of {DID}",
        id="no issuer",
    ),
    pytest.param(
        lambda made: replace(made, header={"feed": FEED + "2"}),
        f"the uvm endorsement's issuer and feed are not those of {DID}",
        id="feed",
    ),
    pytest.param(
        lambda made: replace(made, header={"feed": None}),
        f"the uvm endorsement's issuer and feed are not those of {DID}",
        id="no feed",
    ),
    pytest.param(
        lambda made: replace(
            made,
            header={
                33: [made.chain()[0], *replace(made, root_key=rsa_key("other", 2048)).chain()[1:]]
            },
        ),
        "the uvm endorsement's certificate 'Cleanroom synthetic UVM' was not issued by"
        " 'Cleanroom synthetic UVM root'",
        id="signer's certificate by another key",
    ),
    pytest.param(
        lambda made: replace(made, header={33: replace(made, issuer_name="other").chain()}),
        "the uvm endorsement's certificate 'Cleanroom synthetic UVM' was not issued by"
        " 'Cleanroom synthetic UVM root'",
        id="signer's certificate by another name",
    ),
    pytest.param(
        lambda made: replace(
            made, header={33: replace(made, root_key=rsa_key("other", 2048)).chain()}
        ),
        "the uvm endorsement's chain does not lead to ",
        id="another root",
    ),
    pytest.param(
        lambda made: replace(made, header={33: made.chain()[1:] * 2}),
        "the uvm endorsement's signer is not for the purpose",
        id="signed by the root itself",
    ),
    pytest.param(
        lambda made: replace(made, salt=32),
        "the signature of the uvm endorsement does not hold",
        id="short salt",
    ),
    pytest.param(
        lambda made: replace(
            made,
            key=rsa_key("other", 2048),
            header={33: made.chain()},
        ),
        "the signature of the uvm endorsement does not hold",
        id="signed by another key",
    ),
    pytest.param(
        lambda made: replace(made, svn="99"),
        "the utility vm is version 99, expected at least 100",
        id="old",
    ),
    pytest.param(
        lambda made: replace(made, purpose="1.2.3"),
        f"the uvm endorsement's signer is not for the purpose {EKU}",
        id="purpose",
    ),
    pytest.param(
        lambda made: replace(made, purpose=None),
        f"the uvm endorsement's signer is not for the purpose {EKU}",
        id="no purpose",
    ),
    pytest.param(
        lambda made: replace(made, key=rsa_key("short", 1024)),
        "the uvm endorsement's signer has no RSA key of 2048 bits or more",
        id="short key",
    ),
    pytest.param(
        lambda made: replace(made, key=ec.generate_private_key(ec.SECP384R1())),
        "the uvm endorsement's signer has no RSA key of 2048 bits or more",
        id="signer's key is no RSA",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), CHECKS)
def test_each_check_of_an_endorsement_refuses_alone(spoil: Spoil, message: str) -> None:
    made = Endorser.make()

    verified(made.endorse(MEASUREMENT))
    refused(spoil(made), message)


def test_a_root_that_is_no_authority_is_refused() -> None:
    made = replace(Endorser.make(), root_is_authority=False)

    with pytest.raises(
        Unattested,
        match=r"^the uvm endorsement's issuer 'Cleanroom synthetic UVM root' is no authority$",
    ):
        verified(made.endorse(MEASUREMENT), made.issuer())


def test_a_signer_by_himself_is_no_root() -> None:
    """The root's fingerprint counts above the signer only: else a pinned signer would be one."""
    made = Endorser.make()
    root_only = [made.chain()[1], made.chain()[1]]

    refused(replace(made, header={33: root_only}), "the uvm endorsement's signer is not for the")


def test_nobody_is_trusted_unless_named() -> None:
    with pytest.raises(Unattested, match=r" are not those of nobody$"):
        uvm.verify(Endorser.make().endorse(MEASUREMENT), [], MEASUREMENT)


def test_an_endorsement_of_another_guest_is_refused() -> None:
    cose = Endorser.make().endorse(bytes(48))
    message = f"the uvm endorsement is for measurement {'00' * 48}, expected {'4d' * 48}"

    with pytest.raises(Unattested, match=f"^{message}$"):
        verified(cose)


PAYLOADS = [
    pytest.param(b"", "uvm.payload: expected JSON in UTF-8", id="empty"),
    pytest.param(b"[]", "uvm.payload: expected an object with named fields, got a list", id="list"),
    pytest.param(
        b"{}", "uvm.payload: expected a field 'x-ms-sevsnpvm-launchmeasurement'", id="no field"
    ),
    *(
        pytest.param(
            b'{"x-ms-sevsnpvm-launchmeasurement":"%b","x-ms-sevsnpvm-guestsvn":%b}'
            % (b"4d" * 48, svn.encode()),
            "uvm.payload.x-ms-sevsnpvm-guestsvn: expected a number in decimal digits, got "
            + svn.replace('"', "'"),
            id=f"svn {svn}",
        )
        for svn in ("100", '"-1"', '"0100"', '""', '"1e3"', '"1000000000"')
    ),
    pytest.param(
        f'{{"x-ms-sevsnpvm-launchmeasurement":"{"4D" * 48}"}}'.encode(),
        "uvm.payload.x-ms-sevsnpvm-launchmeasurement: expected 96 lower-case hexadecimal digits,",
        id="upper case",
    ),
]


@pytest.mark.parametrize(("payload", "message"), PAYLOADS)
def test_a_payload_of_another_form_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        verified(Endorser.make().sign(payload))


def test_a_critical_header_is_not_understood() -> None:
    cose = replace(Endorser.make(), header={2: ["iss"]}).endorse(MEASUREMENT)

    with pytest.raises(Malformed, match=r"^uvm.protected: expected no critical headers$"):
        verified(cose)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        pytest.param(None, "uvm.x5chain: expected 2 to 6 certificates", id="none"),
        pytest.param(self_issued(), "uvm.x5chain: expected 2 to 6 certificates", id="no list"),
        pytest.param([self_issued()], "uvm.x5chain: expected 2 to 6 certificates", id="one"),
        pytest.param([b""] * 7, "uvm.x5chain: expected 2 to 6 certificates", id="seven"),
        pytest.param(
            ["a", "b"], "uvm.x5chain: expected certificates in bytes", id="certificates of text"
        ),
        pytest.param(
            [b"a", b"b"],
            "uvm.x5chain[0]: expected a DER certificate of version 3",
            id="no certificates",
        ),
    ],
)
def test_a_chain_of_another_form_is_refused(chain: object, message: str) -> None:
    cose = replace(Endorser.make(), header={33: chain}).endorse(MEASUREMENT)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        verified(cose)


def sign1(*parts: object) -> bytes:
    return b"\xd2" + cbor2.dumps(list(parts))


HEAD = cbor2.dumps({1: -38})
COSE = [
    pytest.param(b"", "uvm: expected plain CBOR", id="nothing"),
    pytest.param(bytes(32769), "uvm: expected at most 32768 bytes, got 32769", id="large"),
    pytest.param(b"\xd2\xd2" + cbor2.dumps([]), "uvm: expected plain CBOR", id="tag twice"),
    pytest.param(b"\xd2\x00\x00", "uvm: expected to end at 1, got 2 bytes", id="something behind"),
    *(
        pytest.param(
            sign1(*parts),
            "uvm: expected a COSE_Sign1 of protected, unprotected, payload and signature",
            id=name,
        )
        for name, parts in (
            ("three parts", (HEAD, {}, b"")),
            ("five parts", (HEAD, {}, b"", b"", b"")),
            ("no payload", (HEAD, {}, None, b"")),
            ("header not in bytes", ({}, {}, b"", b"")),
            ("unprotected in bytes", (HEAD, b"", b"", b"")),
            ("signature of text", (HEAD, {}, b"", "")),
        )
    ),
    pytest.param(sign1(b"", {}, b"", b""), "uvm.protected: expected plain CBOR", id="no header"),
    pytest.param(
        sign1(cbor2.dumps([]), {}, b"", b""), "uvm.protected: expected a map", id="header is a list"
    ),
    pytest.param(
        sign1(HEAD + b"\0", {}, b"", b""),
        "uvm.protected: expected to end at 4, got 5 bytes",
        id="header too long",
    ),
    pytest.param(
        sign1(b"\xa2\x01\x38\x25\x01\x38\x25", {}, b"", b""),
        "uvm.protected: expected plain CBOR",
        id="header twice",
    ),
    pytest.param(
        sign1(b"\xbf\x01\x38\x25\xff", {}, b"", b""),
        "uvm.protected: expected plain CBOR",
        id="indefinite length",
    ),
    pytest.param(b"\x81" * 9 + b"\0", "uvm: expected plain CBOR", id="deep"),
    pytest.param(
        b"\x84\x5b" + b"\x7f" * 8, "uvm: expected plain CBOR", id="a length that nobody has"
    ),
    *(
        pytest.param(
            sign1(cbor2.dumps({"x": 0})[:-1] + tagged, {}, b"", b""),
            "uvm.protected: expected plain CBOR",
            id=f"tag {name}",
        )
        for name, tagged in (
            ("bignum", b"\xc2\x41\x01"),
            ("decimal", b"\xc4\x82\x1b\x00\x00\x10\x00\x00\x00\x00\x00\x01"),
            ("bigfloat", b"\xc5\x82\x1b\x00\x00\x10\x00\x00\x00\x00\x00\x01"),
            ("shared", b"\xd8\x1c\x00"),
            ("regular expression", b"\xd8\x23\x62.*"),
            ("MIME", b"\xd8\x24\x62.*"),
            ("unknown", b"\xd9\xff\xff\x00"),
        )
    ),
]


@pytest.mark.parametrize(("cose", "message"), COSE)
def test_what_is_no_endorsement_is_refused(cose: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        verified(cose)


def test_a_certificate_with_serial_number_0_issues_nothing_here() -> None:
    chain = [SyntheticAmd.make().der("leaf"), SyntheticAmd.make().der("ask")]
    made = replace(Endorser.make(), header={33: chain})

    refused(made, "the uvm endorsement's certificate 'SEV-VCEK' was not issued by 'SEV-Milan'")


def test_every_byte_that_is_signed_counts() -> None:
    cose = Endorser.make().endorse(MEASUREMENT)
    believed = []

    for at in range(1, len(cose)):
        try:
            verified(cose[:at] + bytes((cose[at] ^ 1,)) + cose[at + 1 :])
            believed.append(at)
        except CleanroomError:
            pass

    assert believed == []


def test_an_issuer_in_software_is_known_by_its_root_certificate() -> None:
    endorser = Endorser.make()
    root = Certificate.parse(endorser.chain()[-1], "root")

    issuer = uvm.synthetic(root)

    assert issuer == endorser.issuer(minimum_svn=0)
    assert verified(endorser.endorse(MEASUREMENT), issuer) == Endorsement(issuer, 100)


def test_the_synthetic_endorser_is_long_expired() -> None:
    leaf = x509.load_der_x509_certificate(Endorser.make().chain()[0])

    assert leaf.not_valid_after_utc.year == 2024  # dates do not count: minimum_svn does
