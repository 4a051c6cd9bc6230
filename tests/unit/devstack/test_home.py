"""The folder of a stack: one key, and everything derived from it by name."""

import base64
import ssl
import uuid
from pathlib import Path

import pytest
from cryptography import x509

from devstack.home import HOST, Home, default_path


def test_secrets_are_the_same_wherever_the_folder_is_opened(tmp_path: Path) -> None:
    first, second = Home.at(tmp_path / "home"), Home.at(tmp_path / "home")

    assert first.secret("bus/control") == second.secret("bus/control")
    assert first.object_id("runner") == second.object_id("runner")
    assert first.token_key().public_key() == second.token_key().public_key()


def test_every_name_and_every_stack_has_its_own_secret(tmp_path: Path) -> None:
    here, there = Home.at(tmp_path / "here"), Home.at(tmp_path / "there")

    found = {home.secret(name) for home in (here, there) for name in ("a", "b", "a/b")}

    assert len(found) == 6
    assert {len(base64.b64decode(secret)) for secret in found} == {32}


def test_an_object_id_is_a_uuid(tmp_path: Path) -> None:
    assert uuid.UUID(Home.at(tmp_path).object_id("north")).version == 4


def test_all_is_its_owners(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.tls()
    home.token_key()
    home.folder("vault")

    modes = {path.name: path.stat().st_mode & 0o777 for path in home.path.iterdir()}

    assert home.path.stat().st_mode & 0o777 == 0o700
    assert modes.pop("vault") == 0o700
    assert set(modes.values()) == {0o600}


def test_the_authority_certifies_this_machine_only(tmp_path: Path) -> None:
    home = Home.at(tmp_path)

    authority = x509.load_pem_x509_certificate(home.authority_file.read_bytes())
    issued = home.authority().issue_cert(HOST, "localhost").cert_chain_pems[0].bytes()

    certificate = x509.load_pem_x509_certificate(issued)
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [HOST, "localhost"]


def test_the_authority_outlives_the_process(tmp_path: Path) -> None:
    first = Home.at(tmp_path).authority_file.read_bytes()

    assert Home.at(tmp_path).authority_file.read_bytes() == first
    assert Home.at(tmp_path).authority().cert_pem.bytes() == first


def test_servers_speak_no_old_tls(tmp_path: Path) -> None:
    assert Home.at(tmp_path).tls().minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_key_is_not_in_the_words_for_a_home(tmp_path: Path) -> None:
    home = Home.at(tmp_path)

    assert repr(home) == f"Home(path={tmp_path!r})"


@pytest.mark.parametrize(
    ("state", "expected"),
    [("/state", Path("/state/cleanroom-dev")), ("", Path.home() / ".local/state/cleanroom-dev")],
    ids=["named", "not named"],
)
def test_a_stack_lives_where_programs_keep_their_state(
    state: str, expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)

    assert default_path() == expected
