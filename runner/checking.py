"""Whether everything that a job needs is there, and what is wrong with what is not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from cleanroom.errors import CleanroomError, Unattested
from cleanroom.ids import Digest
from cleanroom.release.binding import check_bound
from runner import clock
from runner.assembly import Services
from runner.receipts import JobKey
from runner.room.documents import RESULTS, ROOMS

_CONTRACT = Digest.of(b"cleanroom-runner check")  # of no contract: no vault releases a key for it


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was looked at."""

    what: str
    error: CleanroomError | None


def check(made: Services, authorities: Sequence[str], vaults: Sequence[str]) -> Iterator[Found]:
    """Look at each thing in turn, whatever became of the one before."""
    yield _looked_at("machine", made.machine.check)
    for url in authorities:
        yield _looked_at(f"attestation {url}", partial(_attest, made, url))
    for url in vaults:
        yield _looked_at(f"vault {url}", partial(made.vaults.check, url))
    for container in (ROOMS, RESULTS):
        yield _looked_at(f"storage {container}", partial(made.storage.check, container))
    yield _looked_at("bus", made.bus.check)


def _attest(made: Services, url: str) -> None:
    """Have an authority read this machine's evidence, and read it as receipts will be read."""
    key = JobKey().public
    with made.machine.attester(made.authorities.at(url)).attest(_CONTRACT, key.id) as proof:
        claims = proof.evidence.verify(made.believed.roots, made.believed.issuers, clock.now())
        check_bound(claims, _CONTRACT, key.id)
        if not proof.token:
            raise Unattested(f"{url}: gave no token")


def _looked_at(what: str, look: Callable[[], None]) -> Found:
    try:
        look()
    except CleanroomError as error:
        return Found(what, error)
    return Found(what, None)
