"""What `drop` does: seal a file for its contract, unless it is, and put it where the contract says.

- The contract may be somebody else's work, and storage gets a token of the party: a file goes only
  below the place that the party's own profile names.
- What no run could take is refused here, before it goes anywhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanroom.contract import Contract, Dataset
from cleanroom.errors import PolicyRefused
from cleanroom.keys import SigningKey
from cleanroom.seal.manifest import DatasetOrigin, Manifest
from party import approving, comparing, console, contracts, datasets, opening, sealed_files
from party.cloud import blobs
from party.online import Online
from party.sealed_files import Order


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sealed file, and where it is now."""

    manifest: Manifest
    dataset: Dataset
    url: str
    sealed_now: bool


def drop(
    online: Online, contract: Contract, file: Path, alias: str | None, now: datetime
) -> Dropped:
    """Seal if needed, check, and upload.

    1. The dataset is the party's own, and lies where its profile says that its files go; and the
       keys are those of its vault: whatever is sealed for another room key, others could open.
    2. The file is sealed, now or before.
    3. A run of the contract could take it: the owner's key, columns, version, rule, room key.
    4. It is there whole, under a name that nothing has.
    """
    online.profile.need("datasets")
    contracts.check_expiry(contract, now)
    ours = approving.member(contract, online.profile.name)
    sealed_before = datasets.is_sealed(file)
    dataset = (
        datasets.of_sealed(contract, file)
        if sealed_before
        else datasets.chosen(contract, ours.name, alias)
    )
    _check_place(online, dataset)  # 1
    approving.check_keys(online, contract, ours)
    with _sealed(online, contract, dataset, file, now, done=sealed_before) as sealed:  # 2
        manifest = _checked(sealed, ours.signing_key, contract, now)  # 3
        assert isinstance(manifest.origin, DatasetOrigin)  # noqa: S101  # the check said so
        name = f"{manifest.origin.version}-{manifest.digest.hex[:16]}.sealed"
        url = f"{dataset.location}/{name}"
        with console.progress(f"dropping {file.name}", sealed.stat().st_size) as progress:
            blobs.upload(sealed, url, online.storage(url), progress)  # 4
    return Dropped(manifest, dataset, url, not sealed_before)


def _check_place(online: Online, dataset: Dataset) -> None:
    place = online.profile.datasets
    if dataset.location != place and not dataset.location.startswith(f"{place}/"):
        raise PolicyRefused(
            f"the contract wants your files at {dataset.location}, and your profile says {place}"
        ).with_hint("if that place is yours: cleanroom init --datasets URL")


@contextmanager
def _sealed(
    online: Online, contract: Contract, dataset: Dataset, file: Path, now: datetime, *, done: bool
) -> Iterator[Path]:
    if done:
        yield file
        return
    with TemporaryDirectory(prefix="cleanroom-") as folder:  # ciphertext only
        target = Path(folder) / f"{file.name}.sealed"
        sealed_files.seal(_order(online, contract, dataset, file, target), now)
        yield target


def _order(online: Online, contract: Contract, dataset: Dataset, file: Path, target: Path) -> Order:
    return Order(
        source=str(file),
        party=dataset.owner,
        dataset=dataset.dataset,
        sign_with=online.signer,
        output=target,
        agreed=datasets.agreed(contract, dataset),
    )


def _checked(file: Path, owner: SigningKey, contract: Contract, now: datetime) -> Manifest:
    with opening.opened(file) as fd:
        sealed = opening.SealedFile(fd, str(file), owner)
    comparing.dataset(sealed.manifest, owner, contract, now, file.name)
    return sealed.manifest
