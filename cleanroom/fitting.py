"""Whether a sealed file is one that a contract takes: held against it in turn, naming what differs.

Who signed the file was checked before, and its key is asked for afterwards.
"""

from datetime import datetime, timedelta
from itertools import zip_longest

from cleanroom.contract import Contract, Dataset
from cleanroom.errors import PolicyRefused
from cleanroom.fields import instant_text
from cleanroom.rules import Rule
from cleanroom.schema import Column
from cleanroom.seal.content import Bytes, Content
from cleanroom.seal.manifest import DatasetOrigin, Manifest


def check(manifest: Manifest, agreed: Contract, wanted: Dataset, at: datetime, where: str) -> None:
    """Refuse a file that a run at this time could not take for this dataset.

    1. It is that dataset. 2. A version that may be used: none older, none too old. 3. It has
    exactly the columns. 4. A rule of its own, if it has one, lets every reader of the result have
    it.
    """
    origin = manifest.origin
    if not isinstance(origin, DatasetOrigin) or (origin.party, origin.dataset) != (
        wanted.owner,
        wanted.dataset,
    ):
        raise PolicyRefused(f"{where}: is not {wanted.owner}/{wanted.dataset}")  # 1
    _check_version(manifest, origin.version, wanted, at, where)  # 2
    _check_columns(manifest.content, wanted.columns, where)  # 3
    _check_readers(manifest.rule, agreed, where)  # 4


def _check_version(
    manifest: Manifest, version: int, wanted: Dataset, at: datetime, where: str
) -> None:
    versions = wanted.versions
    if version < versions.minimum:
        least = f"the contract takes {versions.minimum} or later"
        raise PolicyRefused(f"{where}: is version {version}, and {least}")
    if versions.only not in (None, manifest.digest):
        only = f"the contract takes only {versions.only}"
        raise PolicyRefused(f"{where}: is {manifest.digest}, and {only}")
    if versions.maximum_age is not None:
        end = manifest.created + timedelta(seconds=versions.maximum_age)
        if at > end:
            raise PolicyRefused(f"{where}: was too old for the contract after {instant_text(end)}")


def fits(content: Content, wanted: tuple[Column, ...]) -> bool:
    """Tell whether a file has a dataset's columns."""
    return _misfit(content, wanted) is None


def _check_columns(content: Content, wanted: tuple[Column, ...], where: str) -> None:
    found = _misfit(content, wanted)
    if found is not None:
        number, has, wants = found
        raise PolicyRefused(
            f"{where}: column {number} is {_shown(has)}, and the contract's is {_shown(wants)}"
        )


def _misfit(
    content: Content, wanted: tuple[Column, ...]
) -> tuple[int, Column | None, Column | None] | None:
    """Compare names, types and order; what may be empty need not be."""
    found = () if isinstance(content, Bytes) else content.columns
    for number, (has, wants) in enumerate(zip_longest(found, wanted), 1):
        same = has and wants and (has.name, has.type) == (wants.name, wants.type)
        if not same or (has.nullable and not wants.nullable):
            return number, has, wants
    return None


def _shown(column: Column | None) -> str:
    if column is None:
        return "not there"
    return f"{column.name!r} {column.type}{'?' if column.nullable else ''}"


def _check_readers(rule: Rule | None, agreed: Contract, where: str) -> None:
    for reader in agreed.result.readers:
        if rule is not None and reader.party not in rule.readers:
            raise PolicyRefused(
                f"{where}: its own rule is for {', '.join(rule.readers)} only, and the contract's"
                f" result is for {reader.party!r} too"
            )
