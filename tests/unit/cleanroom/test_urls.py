"""Addresses have one spelling, and never lead inside a network."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from cleanroom.fields import Parser
from cleanroom.urls import authority_url, https_url, storage_url, vault_key_url, vault_secret_url

any_path = https_url(".*", "an https URL")
hostnames = st.from_regex(r"[a-z0-9.:@\[\]xX/?#%-]{1,24}", fullmatch=True)
numbers = st.integers(0, 126) | st.integers(128, 2**32 - 1)  # 127 may be loopback
spelled = st.builds(str.format, st.sampled_from(["{}", "{:#x}", "0{:o}", "00{}"]), numbers)

BAD_HOSTS = [
    pytest.param("", id="none"),
    pytest.param("NAME.example", id="upper case"),
    pytest.param("n\u00e4me.example", id="not ASCII"),
    pytest.param("\u212aey.example", id="Kelvin sign for k"),
    pytest.param("name\uff0eexample", id="full width dot"),
    pytest.param("name\u3002example", id="ideographic full stop"),
    pytest.param("na_me.example", id="underscore"),
    pytest.param("name..example", id="two dots"),
    pytest.param(".name.example", id="dot first"),
    pytest.param("name.example.", id="dot last"),
    pytest.param("-name.example", id="hyphen first"),
    pytest.param("name-.example", id="hyphen last"),
    pytest.param("na%6de.example", id="percent"),
    pytest.param("na me.example", id="space"),
    pytest.param("na\tme.example", id="tab"),
    pytest.param("na\nme.example", id="line feed"),
    pytest.param("name.example\r", id="carriage return"),
    pytest.param("name\\.example", id="backslash"),
    pytest.param("name\0.example", id="zero byte"),
    pytest.param("a" * 254, id="too long"),
    # who logs in
    pytest.param("user@name.example", id="user"),
    pytest.param("user:pass@name.example", id="user and password"),
    pytest.param(":@name.example", id="empty user"),
    pytest.param("a:b@a", id="user named as the host"),
    pytest.param("name.example@other.example", id="host as user"),
    pytest.param("name.example:443@other.example", id="host and port as user"),
    # ports
    pytest.param("name.example:", id="empty port"),
    pytest.param("name.example:0", id="port 0"),
    pytest.param("name.example:0443", id="port with leading zero"),
    pytest.param("name.example:443", id="the default port, said"),
    pytest.param("name.example:65536", id="port too large"),
    pytest.param("name.example:99999", id="port far too large"),
    pytest.param("name.example:1:2", id="two ports"),
    pytest.param("name.example:+1", id="port with sign"),
    pytest.param("name.example: 1", id="port with space"),
    pytest.param("name.example:1_0", id="port with underscore"),
    pytest.param("name.example:\u0664\u0664\u0663", id="port in digits of another script"),
    pytest.param("name.example:https", id="port by name"),
    # addresses: the cloud's identity endpoint and how else resolvers spell it
    pytest.param("169.254.169.254", id="IPv4"),
    pytest.param("2852039166", id="IPv4, one number"),
    pytest.param("169.16689662", id="IPv4, two numbers"),
    pytest.param("169.254.43518", id="IPv4, three numbers"),
    pytest.param("0xa9fea9fe", id="IPv4, one hexadecimal number"),
    pytest.param("0xa9.0xfe.0xa9.0xfe", id="IPv4, hexadecimal"),
    pytest.param("0xa9.254.169.254", id="IPv4, first part hexadecimal"),
    pytest.param("169.0xfe.169.254", id="IPv4, second part hexadecimal"),
    pytest.param("0xa9.0xfe.43518", id="IPv4, last part decimal"),
    pytest.param("169.254.169.0xfe", id="IPv4, last part hexadecimal"),
    pytest.param("0251.0376.0251.0376", id="IPv4, octal"),
    pytest.param("0251.254.169.0xfe", id="IPv4, mixed"),
    pytest.param("00000000169.254.169.254", id="IPv4, leading zeros"),
    pytest.param("169.254.169.254.", id="IPv4, dot last"),
    pytest.param("[::ffff:169.254.169.254]", id="IPv4 in IPv6"),
    pytest.param("168.63.129.16", id="the cloud's host agent"),
    pytest.param("10.0.0.4", id="private"),
    pytest.param("8.8.8.8", id="public"),
    pytest.param("0.0.0.0", id="this host"),  # noqa: S104  # refused, not bound
    pytest.param("0", id="this host, one digit"),
    pytest.param("0x0", id="this host, hexadecimal"),
    pytest.param("0x", id="hexadecimal without digits"),
    pytest.param("127.1", id="loopback, short"),
    pytest.param("2130706433", id="loopback, one number"),
    pytest.param("0x7f.0.0.1", id="loopback, hexadecimal"),
    pytest.param("0177.0.0.1", id="loopback, octal"),
    pytest.param("127.0.0.01", id="loopback, leading zero"),
    pytest.param("127.0.0.256", id="no address"),
    pytest.param("1.2.3.4.5", id="five parts"),
    pytest.param("name.1", id="a name that ends in a number"),
    pytest.param("name.0x1f", id="a name that ends in a hexadecimal number"),
    pytest.param("[::1]", id="IPv6 loopback"),
    pytest.param("[fe80::1%25eth0]", id="IPv6 with zone"),
    pytest.param("[v1.a]", id="IP of a future version"),
    pytest.param("[name.example]", id="name in brackets"),
    pytest.param("[::1", id="open bracket"),
]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("https://name.weu.attest.azure.net", id="name"),
        pytest.param("https://localhost", id="localhost"),
        pytest.param("https://127.0.0.1", id="loopback"),
        pytest.param("https://127.255.255.254", id="loopback, another"),
        pytest.param("https://127.0.0.1:8443", id="loopback with port"),
        pytest.param("https://name.example:1", id="lowest port"),
        pytest.param("https://name.example:65535", id="highest port"),
        pytest.param("https://1name.2example", id="labels that start with digits"),
        pytest.param("https://0xab.example", id="label that looks hexadecimal"),
        pytest.param("https://name0xab", id="name that ends as if hexadecimal"),
        pytest.param("https://xn--nme-qla.example", id="punycode"),
        pytest.param("https://" + "a" * 253, id="longest host"),
    ],
)
def test_an_authority_is_an_https_url_without_path(raw: str) -> None:
    assert authority_url(raw, "x") == raw


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_is_no_plain_name_is_refused(host: str) -> None:
    with pytest.raises(Malformed, match=r"^x: expected an https URL without path, such as .*, got"):
        authority_url(f"https://{host}", "x")


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_is_no_plain_name_is_refused_in_front_of_a_path(host: str) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a storage location, such as .*, got"):
        storage_url(f"https://{host}/datasets/room/name", "x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("https:", id="scheme only"),
        pytest.param("https://", id="no host"),
        pytest.param("name.example", id="no scheme"),
        pytest.param("//name.example", id="any scheme"),
        pytest.param("http://name.example", id="http"),
        pytest.param("HTTPS://name.example", id="upper case scheme"),
        pytest.param("https:name.example", id="no slashes"),
        pytest.param("https:/name.example", id="one slash"),
        pytest.param("https:///name.example", id="three slashes"),
        pytest.param("https:\\\\name.example", id="backslashes"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param(" https://name.example", id="space before"),
        pytest.param("\x01https://name.example", id="control character before"),
        pytest.param("https://name.example ", id="space after"),
        pytest.param("https://name.example\n", id="line feed after"),
        pytest.param("ht\ntps://name.example", id="line feed inside"),
        pytest.param("https://name.example?", id="empty query"),
        pytest.param("https://name.example?sig=1", id="query"),
        pytest.param("https://name.example#", id="empty fragment"),
        pytest.param("https://name.example#a", id="fragment"),
        pytest.param("https://name.example#@other.example", id="fragment with a host"),
        pytest.param("https://name.example;a", id="parameters"),
        pytest.param("https://name.example/", id="slash after"),
        pytest.param("https://name.example//", id="two slashes after"),
        pytest.param("https://name.example/path", id="path"),
        pytest.param(443, id="number"),
        pytest.param(None, id="null"),
        pytest.param(b"https://name.example", id="bytes"),
        pytest.param(["https://name.example"], id="list"),
    ],
)
def test_anything_else_is_no_authority(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected an https URL without path, such as .*, got"):
        authority_url(raw, "x")


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        pytest.param(vault_key_url, "https://name.vault.azure.net/keys/room-key", id="key"),
        pytest.param(vault_key_url, "https://name.vault.azure.net/keys/" + "a" * 127, id="longest"),
        pytest.param(vault_secret_url, "https://name.vault.azure.net/secrets/name", id="secret"),
        pytest.param(
            storage_url,
            "https://account.blob.core.windows.net/datasets/room/north-customers",
            id="location",
        ),
        pytest.param(storage_url, "https://account.example/a", id="shortest location"),
        pytest.param(storage_url, "https://account.example/_a/b.c..d/E-", id="dots inside"),
        pytest.param(storage_url, "https://a.example/" + "a" * 494, id="longest location"),
    ],
)
def test_an_address_of_the_right_shape_is_accepted(parse: Parser[str], raw: str) -> None:
    assert parse(raw, "x") == raw


@pytest.mark.parametrize(
    ("parse", "path", "expected"),
    [
        pytest.param(vault_key_url, "", "a Key Vault key", id="no path"),
        pytest.param(vault_key_url, "/keys", "a Key Vault key", id="no key"),
        pytest.param(vault_key_url, "/keys/", "a Key Vault key", id="empty key"),
        pytest.param(vault_key_url, "/secrets/a", "a Key Vault key", id="a secret for a key"),
        pytest.param(vault_key_url, "/Keys/a", "a Key Vault key", id="upper case"),
        pytest.param(vault_key_url, "/keys/a/0123", "a Key Vault key", id="a version"),
        pytest.param(vault_key_url, "/keys/a/release", "a Key Vault key", id="an operation"),
        pytest.param(vault_key_url, "/keys/a_b", "a Key Vault key", id="underscore"),
        pytest.param(vault_key_url, "/keys/a.b", "a Key Vault key", id="dot"),
        pytest.param(vault_key_url, "/keys/" + "a" * 128, "a Key Vault key", id="key too long"),
        pytest.param(vault_key_url, "/keys/a\n", "a Key Vault key", id="line feed"),
        pytest.param(vault_secret_url, "/keys/a", "a Key Vault secret", id="a key for a secret"),
        pytest.param(vault_secret_url, "/secrets/..", "a Key Vault secret", id="secret above"),
        pytest.param(storage_url, "", "a storage location", id="no location"),
        pytest.param(storage_url, "/", "a storage location", id="root"),
        pytest.param(storage_url, "/a/", "a storage location", id="slash last"),
        pytest.param(storage_url, "//a", "a storage location", id="two slashes first"),
        pytest.param(storage_url, "/a//b", "a storage location", id="two slashes"),
        pytest.param(storage_url, "/.", "a storage location", id="this folder"),
        pytest.param(storage_url, "/a/./b", "a storage location", id="this folder, inside"),
        pytest.param(storage_url, "/a/../b", "a storage location", id="parent folder"),
        pytest.param(storage_url, "/a/..", "a storage location", id="parent folder last"),
        pytest.param(storage_url, "/a/.b", "a storage location", id="hidden file"),
        pytest.param(storage_url, "/a/%2e%2e/b", "a storage location", id="escaped dots"),
        pytest.param(storage_url, "/a%2fb", "a storage location", id="escaped slash"),
        pytest.param(storage_url, "/a/b%00", "a storage location", id="escaped zero byte"),
        pytest.param(storage_url, "/a\\b", "a storage location", id="backslash"),
        pytest.param(storage_url, "/a b", "a storage location", id="space"),
        pytest.param(storage_url, "/a\tb", "a storage location", id="tab"),
        pytest.param(storage_url, "/a\n", "a storage location", id="line feed after"),
        pytest.param(storage_url, "/a;b", "a storage location", id="parameters"),
        pytest.param(storage_url, "/a:b", "a storage location", id="colon"),
        pytest.param(storage_url, "/a@b", "a storage location", id="at sign"),
        pytest.param(storage_url, "/a?sv=1&sig=2", "a storage location", id="shared access"),
        pytest.param(storage_url, "/a?", "a storage location", id="empty query"),
        pytest.param(storage_url, "/a#b", "a storage location", id="fragment"),
        pytest.param(storage_url, "/\u00e4", "a storage location", id="not ASCII"),
        pytest.param(storage_url, "/" + "a" * 492, "a storage location", id="too long"),
    ],
)
def test_an_address_of_another_shape_is_refused(
    parse: Parser[str], path: str, expected: str
) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {expected}, such as .*, got 'https://name"):
        parse(f"https://name.example{path}", "x")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="root"),
        pytest.param("/a/", id="slash last"),
        pytest.param("/a//b", id="two slashes"),
        pytest.param("/a/../b", id="parent folder"),
        pytest.param("/a/%2e%2e/b", id="escaped dots"),
        pytest.param("/a;b", id="parameters"),
        pytest.param("/a?b", id="query"),
    ],
)
def test_no_shape_lets_a_path_through_that_servers_read_differently(path: str) -> None:
    with pytest.raises(Malformed, match=r"^x: expected an https URL, got 'https://name"):
        any_path(f"https://name.example{path}", "x")


def test_an_address_of_a_megabyte_is_refused_in_no_time() -> None:
    with pytest.raises(Malformed, match=r"^x: expected an https URL, got 'https://a-"):
        any_path("https://" + "a-" * (1 << 20), "x")


@given(host=hostnames)
@settings(max_examples=300, deadline=None)
def test_whatever_is_accepted_is_only_a_host_a_port_and_a_path(host: str) -> None:
    try:
        accepted = any_path(f"https://{host}", "x")
    except Malformed:
        return

    assert accepted == f"https://{host}"
    assert not set(accepted) & set("@[]?#%")


@given(host=st.lists(spelled, min_size=1, max_size=5).map(".".join))
@settings(max_examples=300, deadline=None)
def test_no_spelling_of_an_address_is_accepted(host: str) -> None:
    with pytest.raises(Malformed):
        authority_url(f"https://{host}", "x")
