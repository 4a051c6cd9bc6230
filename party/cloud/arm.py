"""What is deployed, as Azure Resource Manager tells it: read only, and as whoever is signed in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure.identity import DefaultAzureCredential

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unavailable
from cleanroom.fields import matching
from cleanroom.urls import https_url
from party.cloud import fetching, identity
from party.errors import option

AUDIENCE = "https://management.azure.com"
_subscription = matching(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "the id of a subscription (a GUID)"
)
_group = matching(r"[\w.()-]{0,89}[\w()-]", "the name of a resource group")
_LARGEST = 8 << 20
_MOST_PAGES = 100
_RESOURCES, _ROLES = "2021-04-01", "2022-04-01"
_BUS, _EVENTS, _STORAGE = "2024-01-01", "2025-02-15", "2025-01-01"
_OTHERS = {
    "microsoft.keyvault/vaults": "2024-11-01",
    "microsoft.managedidentity/userassignedidentities": "2024-11-30",
}
_PARTS = {
    "microsoft.servicebus/namespaces": (
        _BUS,
        ("queues", "topics", "topics/outcomes/subscriptions"),
    ),
    "microsoft.storage/storageaccounts": (_STORAGE, ("blobServices/default/containers",)),
    "microsoft.eventgrid/systemtopics": (_EVENTS, ("eventSubscriptions",)),
    "microsoft.eventgrid/topics": (_EVENTS, ("eventSubscriptions",)),
}
_VERSIONS = {**_OTHERS, **{kind: version for kind, (version, _) in _PARTS.items()}}

type Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A resource group's resources that matter, by their ids, and who was given which role."""

    resources: Mapping[str, Document]
    assignments: tuple[Document, ...]

    def of(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Give the resources of a kind."""
        for name, found in self.resources.items():
            if str(found.get("type", "")).lower() == kind.lower():
                yield name, found


class Arm:
    """Asks about one resource group."""

    def __init__(
        self, base: str, token: Callable[[], str], get: Callable[[str, str], bytes] = fetching.get
    ) -> None:
        self._base = base
        self._token = token()
        self._fetch = get

    def deployed(self, group: str) -> Deployed:
        """Read all that `cleanroom doctor` compares."""
        found: dict[str, Document] = {}
        for listed in self._list(f"{group}/resources", _RESOURCES):
            kind, name = str(listed.get("type", "")).lower(), str(listed.get("id", ""))
            if kind not in _VERSIONS or not name.lower().startswith(group.lower()):
                continue
            found[name] = self._get(f"{self._base}{name}?api-version={_VERSIONS[kind]}")
            version, parts = _PARTS.get(kind, ("", ()))
            for part in parts:
                for each in self._list(f"{name}/{part}", version):
                    found[str(each.get("id", ""))] = each
        roles = f"{group}/providers/Microsoft.Authorization/roleAssignments"
        return Deployed(found, tuple(self._list(roles, _ROLES)))

    def _list(self, path: str, version: str) -> Iterator[Document]:
        url: str | None = f"{self._base}{path}?api-version={version}"
        for _ in range(_MOST_PAGES):
            page = self._get(url or "")
            for each in page.get("value", []):
                if not isinstance(each, dict):
                    raise Malformed(path, "a list of objects")
                yield each
            url = page.get("nextLink")
            if not url:
                return
            if urlsplit(url)[:2] != urlsplit(self._base)[:2]:  # a token goes nowhere else
                raise Malformed(f"{path}: nextLink", f"an address at {self._base}")
        raise Unavailable(f"{path}: more than {_MOST_PAGES} pages")

    def _get(self, url: str) -> Document:
        found = parse_json(self._fetch(url, self._token), url, _LARGEST)
        if not isinstance(found, dict):
            raise Malformed(url, "an object")
        return found


def read(subscription: str, group: str, management: str) -> Deployed:
    """Read a resource group that a person named, as whoever is signed in."""
    base = option(https_url("", AUDIENCE), management, "--management")
    where = option(_subscription, subscription, "--subscription")
    path = f"/subscriptions/{where}/resourceGroups/{option(_group, group, '--group')}"
    return Arm(base, _signed_in).deployed(path)


def _signed_in() -> str:
    """Get a token of whoever is signed in."""
    return identity.token(DefaultAzureCredential(), AUDIENCE)
