"""Which call of the REST API a request is: its method and path, taken apart.

A version that is left out may leave its slash behind: the genuine clients ask for `/keys/NAME/` and
`/keys/NAME//release`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, unquote

from devstack.vault.wire import Answer, bad_parameter, refusal

API_VERSIONS = ("7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")
KEYS, SECRETS = "keys", "secrets"
CRYPTOGRAPHIC = {
    "encrypt": "encrypt",
    "decrypt": "decrypt",
    "wrapkey": "wrapKey",
    "unwrapkey": "unwrapKey",
    "sign": "sign",
    "verify": "verify",
}
"""Calls with a key, and how the key's own list of operations spells them."""

_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_VERSION = re.compile(r"[0-9a-zA-Z]{1,64}")
_MOST_PARAMETERS = 16
_LONGEST_SHOWN = 200

_BOTH = f"{KEYS}|{SECRETS}"
_OF, _VERSIONED = "/(?P<name>[^/]+)", "(?:/(?P<version>[^/]*))?"
_USED = f"/(?P<operation>{'|'.join((*CRYPTOGRAPHIC, 'release'))})"
_CALLS = (
    ("GET", f"/({_BOTH})/?", "list"),
    ("GET", f"/({_BOTH}){_OF}/versions", "list versions"),
    ("GET", f"/({_BOTH}){_OF}{_VERSIONED}", "get"),
    ("PATCH", f"/({_BOTH}){_OF}{_VERSIONED}", "update"),
    ("DELETE", f"/({_BOTH}){_OF}", "delete"),
    ("PUT", f"/({KEYS}){_OF}", "import"),
    ("PUT", f"/({SECRETS}){_OF}", "set"),
    ("POST", f"/({KEYS}){_OF}/create", "create"),
    ("POST", f"/({KEYS}){_OF}/rotate", "rotate"),
    ("POST", f"/({KEYS}){_OF}{_VERSIONED}{_USED}", ""),
    ("GET", f"/deleted({_BOTH})/?", "list deleted"),
    ("GET", f"/deleted({_BOTH}){_OF}", "get deleted"),
    ("DELETE", f"/deleted({_BOTH}){_OF}", "purge"),
    ("POST", f"/deleted({_BOTH}){_OF}/recover", "recover"),
)
_PATTERNS = [(method, re.compile(pattern), operation) for method, pattern, operation in _CALLS]


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the operation, what it is about, and what the query says besides."""

    operation: str
    collection: str
    name: str
    version: str | None
    query: Mapping[str, str]

    @property
    def path(self) -> str:
        """Name what it is about, as roles do."""
        return f"/{self.collection}/{self.name}" if self.name else "/"


def split(target: str) -> tuple[str, Mapping[str, str]]:
    """Take a target apart into its path, as it came, and its query."""
    path, _, query = target.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:  # more than any call has
        pairs = []
    return path, dict(pairs)


def route(method: str, target: str) -> Call | Answer:
    """Find the call, or say that there is none."""
    path, query = split(target)
    if query.get("api-version") not in API_VERSIONS:
        return _unknown_version(query.get("api-version"))
    for known, pattern, operation in _PATTERNS:
        found = pattern.fullmatch(path)
        if known == method and found:
            return _call(operation, found, query)
    message = f"There is no such call: {quote(method)} {quote(path[:_LONGEST_SHOWN])}"
    return refusal(HTTPStatus.NOT_FOUND, "NotFound", message)


def _call(operation: str, found: re.Match[str], query: Mapping[str, str]) -> Call | Answer:
    parts = found.groupdict()
    name, version = (unquote(parts.get(each) or "") for each in ("name", "version"))
    if (name and not _NAME.fullmatch(name)) or (version and not _VERSION.fullmatch(version)):
        wrong = quote(name[:_LONGEST_SHOWN])
        return bad_parameter(f"The request URI contains an invalid name: {wrong}")
    return Call(operation or parts["operation"], found[1], name, version or None, query)


def _unknown_version(version: str | None) -> Answer:
    if not version:
        return bad_parameter("api-version must be specified")
    return bad_parameter(
        f"The specified version ({quote(version[:40])}) is not recognized."
        f" Consider using the latest supported version ({API_VERSIONS[-1]})."
    )
