"""A profile: where a party's vault, storage and rooms are, and as whom to ask there.

- It is a file NAME.toml under the configuration's folder, written by `cleanroom init`, or comes
  whole from variables `CLEANROOM_PARTY_*`, as the dev stack gives them.
- There is no secret in it but on a development machine, whose identities are known by one.
- Nothing is assumed: a command that needs what a profile does not say asks for it by name.
"""

import json
import shlex
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Self

from cleanroom import ids
from cleanroom.canonical import parse_json
from cleanroom.directories import guid
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, Parser, list_of, matching, text
from cleanroom.requirements import RunnerRequirement
from cleanroom.urls import authority_url, https_url, storage_url
from party import files, settings
from party.errors import Usage

_SUFFIX = ".toml"
_LARGEST = 1 << 20
_MOST_RUNNERS = 8
_OWNER_ONLY = 0o600
_OTHERS_WRITE = 0o022
_LOOPBACK = r"http://(127\.0\.0\.1|localhost)(:\d{1,5})?(/[A-Za-z0-9._~-]+)*"
_path = text(4096)
_secure_api = https_url(r"(/[A-Za-z0-9._~-]+)*", "https://app.azurewebsites.net/api")
_vault = https_url("", "https://name.vault.azure.net")
_audience = matching(r"[!-~]{1,256}", "an application's id or its URI, such as api://cleanroom")
_local_api = matching(_LOOPBACK, "an address of this machine")

KEPT = (
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_ID",
    "AZURE_CONFIG_DIR",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "IDENTITY_ENDPOINT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "NO_PROXY",
)
"""What of the environment says who asks, and is no secret."""
_HEADER = "IDENTITY_HEADER"


def api_url(raw: object, where: str) -> str:
    """Accept where the control plane's API is: it gets a token, so HTTPS, or this machine."""
    if isinstance(raw, str) and raw.startswith("http://"):
        return _local_api(raw, where)
    return _secure_api(raw, where)


@dataclass(frozen=True, slots=True)
class Profile:
    """All that a command may need to know; what is empty was not said."""

    name: str
    api: str = ""
    audience: str = ""
    directory: str = ""
    vault: str = ""
    authority: str = ""
    datasets: str = ""
    rooms: str = ""
    synthetic_root: str = ""
    runners: tuple[RunnerRequirement, ...] = ()
    identity: Mapping[str, str] = field(default_factory=dict, repr=False)

    def need(self, *names: str) -> Self:
        """Refuse to go on without these."""
        for name in names:
            if not getattr(self, name):
                raise Usage(f"the profile of {self.name!r} does not say {_ABOUT[name]}").with_hint(
                    f"cleanroom init {self.name} --{name.replace('_', '-')} ..."
                )
        return self

    def given(self, values: Mapping[str, str | None]) -> Self:
        """Take over what a person says anew."""
        known = {name: value for name, value in values.items() if value}
        where = "--{}"
        checked = {name: _PARSERS[name](value, where.format(name)) for name, value in known.items()}
        return replace(self, **checked)  # type: ignore[arg-type]  # all of them are text

    def asking_as(self, identity: Mapping[str, str]) -> Self:
        """Remember who asks, if this shell says so."""
        return replace(self, identity=identity) if identity else self

    def to_toml(self) -> str:
        """Spell it as `parse` reads it: JSON's strings are TOML's, too."""
        lines = ["# Where this party's vault, storage and rooms are: written by cleanroom init."]
        lines += [
            f"{name} = {_quoted(getattr(self, name))}" for name in _PARSERS if _said(self, name)
        ]
        if self.runners:
            spelled = ", ".join(_inline(one.to_dict()) for one in self.runners)
            lines.append(f"runners = [{spelled}]")
        if self.identity:
            lines += ["", "[identity]  # of whoever asks, as azure-identity reads it"]
            lines += [f"{name} = {_quoted(value)}" for name, value in sorted(self.identity.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Accept a profile; only whose it is must be said."""
        f = Fields(
            {"runners": [], "identity": {}, **dict.fromkeys(_PARSERS), **_table(raw, where)}, where
        )
        found = cls(
            **{name: f.take(name, _text(name)) for name in _PARSERS},
            runners=f.take("runners", list_of(RunnerRequirement.parse, 0, _MOST_RUNNERS)),
            identity=f.take("identity", _identity),
        )
        f.end()
        return found


_PARSERS = {
    "name": ids.name,
    "api": api_url,
    "audience": _audience,
    "directory": guid,
    "vault": _vault,
    "authority": authority_url,
    "datasets": storage_url,
    "rooms": storage_url,
    "synthetic_root": _path,
}
_ABOUT = {
    "api": "where the control plane is (api)",
    "audience": "for which application its tokens are (audience)",
    "vault": "which vault is its own (vault)",
    "authority": "which attestation service its vault trusts (authority)",
    "datasets": "where it drops its files (datasets)",
    "rooms": "where the rooms' documents are stored (rooms)",
    "runners": "which runners there are (runners)",
}


def find(named: str | None) -> Profile:
    """Find out as whom to ask.

    1. The profile that is named, by --profile or CLEANROOM_PROFILE.
    2. The variables of this shell.
    3. The only profile that there is.
    """
    folder, environment = settings.folder(), settings.environment()
    if named:
        return _read(_path_of(named, folder))
    if environment.get(f"{settings.PREFIX}NAME"):
        return from_environment(environment)
    there = sorted(folder.glob(f"*{_SUFFIX}"))
    if len(there) == 1:
        return _read(there[0])
    if there:
        names = ", ".join(one.stem for one in there)
        raise Usage(f"which party are you? there are profiles of {names}").with_hint(
            f"--profile {there[0].stem}, or export CLEANROOM_PROFILE={there[0].stem}"
        )
    raise Usage("which party are you? there is no profile yet").with_hint(
        "cleanroom init PARTY --vault URL ...; on the dev stack: eval"
        ' "$(cleanroom-dev env north-bank)"'
    )


def perhaps(named: str | None) -> Profile | None:
    """Find out as whom to ask, for a command that can do without."""
    environment = settings.environment()
    if named or environment.get(f"{settings.PREFIX}NAME"):
        return find(named)
    return find(None) if len(list(settings.folder().glob(f"*{_SUFFIX}"))) == 1 else None


def begun(named: str | None, party: str | None) -> tuple[Profile, Path]:
    """Find the profile that `init` begins with or goes on with, and where it is kept."""
    folder, environment = settings.folder(), settings.environment()
    ours = environment.get(f"{settings.PREFIX}NAME")
    who = party or ours
    if who is None:
        raise Usage("missing: PARTY, the name of the party that begins").with_hint(
            "cleanroom init north-bank"
        )
    path = _path_of(named, folder) if named else folder / f"{who}{_SUFFIX}"
    found = _read(path) if path.exists() else Profile(ids.name(who, "PARTY"))
    if ours == who:
        found = _over(found, from_environment(environment))
    if found.name != who:
        raise Usage(f"{path}: is the profile of {found.name!r}, not of {who!r}")
    return found, path


def from_environment(environment: Mapping[str, str]) -> Profile:
    """Read a profile from variables; who asks is known to azure-identity already."""
    given = {
        name.removeprefix(settings.PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(settings.PREFIX) and value
    }
    where = settings.PREFIX.rstrip("_")
    runners = parse_json(given.pop("runners", "[]").encode(), f"{where}_RUNNERS", _LARGEST)
    return Profile.parse({**given, "runners": runners}, where)


def write(profile: Profile, path: Path) -> None:
    """Keep a profile, for its owner's eyes only."""
    with files.translated(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write_document(path, profile.to_toml().encode(), force=True, mode=_OWNER_ONLY)


def asking(environment: Mapping[str, str]) -> dict[str, str]:
    """Take from the environment who asks; a secret only where it opens nothing but this machine."""
    found = {name: environment[name] for name in KEPT if environment.get(name)}
    endpoint = found.get("IDENTITY_ENDPOINT", "")
    if endpoint.startswith("http://127.0.0.1:") and _HEADER in environment:
        return found | {_HEADER: environment[_HEADER]}
    found.pop("IDENTITY_ENDPOINT", None)
    return found


def _over(found: Profile, newer: Profile) -> Profile:
    said = {one.name: getattr(newer, one.name) for one in fields(newer)}
    return replace(found, **{name: value for name, value in said.items() if value})


def _path_of(named: str, folder: Path) -> Path:
    if "/" in named or named.endswith(_SUFFIX):
        return Path(named)
    path = folder / f"{named}{_SUFFIX}"
    if not path.exists():
        known = ", ".join(sorted(one.stem for one in folder.glob(f"*{_SUFFIX}"))) or "none"
        raise Usage(f"--profile: there is no profile {named!r}; there are: {known}").with_hint(
            f"cleanroom init {named}"
        )
    return path


def _read(path: Path) -> Profile:
    with files.translated(path):
        mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS_WRITE:  # whoever writes it chooses which vault and which storage is believed
        raise Usage(f"{path}: a profile that others may change (mode {mode:04o})").with_hint(
            f"chmod 600 {shlex.quote(str(path))}"
        )
    data = files.read_document(path)
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except ValueError as error:  # not UTF-8, not TOML
        raise Malformed(str(path), "TOML in UTF-8") from error
    return Profile.parse(raw, str(path))


def _table(raw: object, where: str) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise Malformed(where, "a table of named values")
    return raw


def _text(name: str) -> Parser[str]:
    def parse(raw: object, where: str) -> str:
        return "" if raw is None and name != "name" else _PARSERS[name](raw, where)

    return parse


def _identity(raw: object, where: str) -> Mapping[str, str]:
    known = (*KEPT, _HEADER)
    found = {}
    for name, value in _table(raw, where).items():
        if name not in known:
            raise Malformed(where, f"one of {', '.join(known)}", repr(name))
        found[name] = _path(value, f"{where}.{name}")
    return found


def _said(profile: Profile, name: str) -> bool:
    return bool(getattr(profile, name))


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _inline(value: object) -> str:
    """Spell a value as TOML's inline form; of our documents only, so there is no null."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_inline(part)}" for name, part in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return _quoted(value)
