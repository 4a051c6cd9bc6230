"""The service has Azure's addresses, versions and errors, and is read by our own reader."""

import json

import pytest
from cryptography import x509

from cleanroom.attestation.token import Authority, jwks_url
from devstack.attestation.trust import PERMIT_ALL
from tests.attesting import SIGNER, URL, refusal, service
from tests.builders import NOW


def test_the_configuration_leads_to_the_keys() -> None:
    configuration = service().get("/.well-known/openid-configuration")

    assert jwks_url(URL, configuration.body, "configuration") == f"{URL}/certs"


def test_the_key_is_in_its_certificate_and_nowhere_else() -> None:
    answer = service().get("/certs")

    (key,) = json.loads(answer.body)["keys"]
    assert set(key) == {"alg", "kid", "kty", "use", "x5c"}
    found = Authority.parse_keys(URL, answer.body, "certs").keys
    assert found == {SIGNER.id: SIGNER.key.public_key()}


def test_the_keys_certificate_is_valid_now() -> None:
    certificate = x509.load_der_x509_certificate(SIGNER.certificate)

    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    certificate.verify_directly_issued_by(certificate)


def test_another_policy_has_another_name() -> None:
    assert PERMIT_ALL.hash == "pLRx-Vh1yrZxfj4ojxWaMDFOQYuvOwqchMgsk1N56f0"


@pytest.mark.parametrize(
    ("target", "status", "code", "message"),
    [
        pytest.param(
            "/attest/SevSnpVm",
            400,
            "UnsupportedApiVersion",
            "api-version: expected 2022-08-01 or 2025-06-01",
            id="no version",
        ),
        pytest.param(
            "/attest/AzureGuest?api-version=2022-08-01",
            400,
            "UnsupportedApiVersion",
            "api-version: expected 2020-10-01 or 2025-06-01",
            id="another call's version",
        ),
        pytest.param(
            "/attest/TdxVm?api-version=2025-06-01",
            404,
            "NotFound",
            "no such call: /attest/TdxVm",
            id="another call",
        ),
    ],
)
def test_calls_have_names_and_versions(target: str, status: int, code: str, message: str) -> None:
    assert refusal(service().post(target, b"{}", NOW)) == (status, code, message)


def test_no_other_page_is_there() -> None:
    assert refusal(service().get("/")) == (404, "NotFound", "no such page: /")
