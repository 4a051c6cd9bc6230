"""Whether a genuine runner is one that somebody would give keys to.

Each requirement asks one question and has one message. Nothing is asked unless it is named, so
`accept` refuses an empty list; `of_contract` names everything that a contract's demand implies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cleanroom.attestation.container import ContainerClaims
from cleanroom.attestation.cvm import CvmClaims
from cleanroom.attestation.report import GuestPolicy, Tcb
from cleanroom.errors import Unattested
from cleanroom.requirements import HostData, MinimumSvn, RunnerRequirement

type Claims = CvmClaims | ContainerClaims

# Digests of the keys that sign Azure's paravisor, as real reports have them: the one of 2023, and
# the current. A key lasts a year or so; the launch measurement changes without notice.
AZURE_PARAVISORS = (
    bytes.fromhex(
        "0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca49"
        "1ecdd7f336dc28a6e0b2bb57af7a44a3"
    ),
    bytes.fromhex(
        "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7555b92f7f3d32d0e"
        "006767648cba5b102af3d65756af4177"
    ),
)


SYNTHETIC_PARAVISOR = b"\x1d" * 48  # of simulated hardware, so that it too is asked for by name


class Requirement(Protocol):
    """One question about genuine claims."""

    def check(self, claims: Claims) -> None:
        """Raise `Unattested` if the answer is no."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """ACCEPTABLE: genuine, and all of these requirements hold. Only `accept` makes one."""

    claims: Claims
    requirements: tuple[Requirement, ...]


def accept(claims: Claims, requirements: Sequence[Requirement]) -> Grant:
    """Hold genuine claims against every requirement."""
    if not requirements:  # an empty "all of" would accept everything
        raise ValueError("accepting needs at least one requirement")
    for requirement in requirements:
        requirement.check(claims)
    return Grant(claims, tuple(requirements))


def of_contract(demand: RunnerRequirement, paravisors: Sequence[bytes]) -> tuple[Requirement, ...]:
    """Spell out what a contract demands of its runner (docs/spec/attestation.md §7).

    Host data and PCRs are words of whoever set them: the first mean something under an endorsed
    utility VM only, the second under a paravisor whose key is among these.
    """
    return (
        Shape(ContainerClaims if isinstance(demand.code, HostData) else CvmClaims),
        Synthetic(demand.platform == "simulated"),
        NoDebug(),
        NoMigration(),
        Vmpl(0),
        MinimumTcb(demand.minimum_svn),
        *_code(demand, paravisors),
    )


def _code(demand: RunnerRequirement, paravisors: Sequence[bytes]) -> tuple[Requirement, ...]:
    code = demand.code
    if isinstance(code, HostData):
        return Endorsed(code.utility_vm_svn), HostDataIs(bytes.fromhex(code.value))
    pcrs = (Pcr(index, bytes.fromhex(value)) for index, value in code.values)
    return IdKey(tuple(paravisors)), *pcrs


@dataclass(frozen=True, slots=True)
class Shape:
    """Evidence of this kind."""

    kind: type[CvmClaims | ContainerClaims]

    def check(self, claims: Claims) -> None:
        """Compare the types."""
        _check_among("kind of claims", type(claims).__name__, (self.kind.__name__,))


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Hardware made of software, or the real one."""

    expected: bool

    def check(self, claims: Claims) -> None:
        """Compare with what the root stands for."""
        kinds = {True: "synthetic", False: "genuine AMD"}
        _check_among("hardware", kinds[claims.snp.synthetic], (kinds[self.expected],))


@dataclass(frozen=True, slots=True)
class NoDebug:
    """The host cannot read the guest's memory."""

    def check(self, claims: Claims) -> None:
        """Ask the guest policy."""
        _check_forbidden("debugging", allowed=_policy(claims).debug)


@dataclass(frozen=True, slots=True)
class NoMigration:
    """No migration agent can move the guest."""

    def check(self, claims: Claims) -> None:
        """Ask the guest policy."""
        _check_forbidden("migration", allowed=_policy(claims).migration)


@dataclass(frozen=True, slots=True)
class NoSmt:
    """No other guest runs on the same core's other thread."""

    def check(self, claims: Claims) -> None:
        """Ask the guest policy."""
        _check_forbidden("simultaneous multithreading", allowed=_policy(claims).smt)


@dataclass(frozen=True, slots=True)
class SingleSocket:
    """The guest stays on one processor."""

    def check(self, claims: Claims) -> None:
        """Ask the guest policy."""
        _check_forbidden("several sockets", allowed=not _policy(claims).single_socket)


@dataclass(frozen=True, slots=True)
class Vmpl:
    """The privilege level that asked for the report; 0 is the highest."""

    level: int

    def check(self, claims: Claims) -> None:
        """Compare it."""
        _check_among("vmpl", str(claims.snp.report.vmpl), (str(self.level),))


@dataclass(frozen=True, slots=True)
class MinimumTcb:
    """No firmware older than this: that is reported, that cannot be rolled back, that launched."""

    minimum: MinimumSvn

    def check(self, claims: Claims) -> None:
        """Compare each part of each, on the one product whose numbers these are."""
        m, snp = self.minimum, claims.snp
        _check_among("processor", snp.product, (m.product,))
        floor = Tcb(m.bootloader, m.tee, m.snp, m.microcode, m.fmc)
        for name, tcb in (
            ("reported", snp.reported),
            ("committed", snp.committed),
            ("launch", snp.launch),
        ):
            tcb.check_at_least(floor, f"{name} tcb", "the requirement")


@dataclass(frozen=True, slots=True)
class Measurement:
    """The guest was launched as one of these images."""

    allowed: tuple[bytes, ...]

    def check(self, claims: Claims) -> None:
        """Compare the launch measurement."""
        _check_octets("measurement", claims.snp.report.measurement, self.allowed)


@dataclass(frozen=True, slots=True)
class IdKey:
    """The launched image was signed by one of these keys."""

    allowed: tuple[bytes, ...]

    def check(self, claims: Claims) -> None:
        """Compare the digest of the key."""
        _check_octets("id key digest", claims.snp.report.id_key_digest, self.allowed)


@dataclass(frozen=True, slots=True)
class HostDataIs:
    """The host named this at launch; alone it proves nothing (see `Endorsed`)."""

    value: bytes

    def check(self, claims: Claims) -> None:
        """Compare it."""
        _check_octets("host data", claims.snp.report.host_data, (self.value,))


@dataclass(frozen=True, slots=True)
class Endorsed:
    """A trusted issuer vouches for the guest around the containers, in a version new enough."""

    minimum_svn: int

    def check(self, claims: Claims) -> None:
        """Ask for the endorsement, which `container.verify` checked."""
        if not isinstance(claims, ContainerClaims) or claims.endorsement is None:
            raise Unattested("the utility vm is not endorsed, expected an endorsement")
        if claims.endorsement.svn < self.minimum_svn:
            raise Unattested(
                f"the utility vm is version {claims.endorsement.svn},"
                f" expected at least {self.minimum_svn}"
            )


@dataclass(frozen=True, slots=True)
class RuntimeData:
    """The guest bound exactly these bytes to its report."""

    value: bytes

    def check(self, claims: Claims) -> None:
        """Compare them."""
        found = claims.runtime_data if isinstance(claims, ContainerClaims) else None
        _check_octets("runtime data", found, (self.value,))


@dataclass(frozen=True, slots=True)
class UserData:
    """The guest had the paravisor bind these 64 bytes."""

    value: bytes

    def check(self, claims: Claims) -> None:
        """Compare them."""
        found = claims.user_data if isinstance(claims, CvmClaims) else None
        _check_octets("user data", found, (self.value,))


@dataclass(frozen=True, slots=True)
class Nonce:
    """The TPM was asked with this nonce."""

    value: bytes

    def check(self, claims: Claims) -> None:
        """Compare it."""
        found = claims.quote.nonce if isinstance(claims, CvmClaims) else None
        _check_octets("nonce", found, (self.value,))


@dataclass(frozen=True, slots=True)
class Pcr:
    """A PCR has this value; alone it proves nothing (see `IdKey`)."""

    index: int
    value: bytes

    def check(self, claims: Claims) -> None:
        """Compare it."""
        found = claims.quote.pcrs.get(self.index) if isinstance(claims, CvmClaims) else None
        _check_octets(f"pcr {self.index}", found, (self.value,))


def _policy(claims: Claims) -> GuestPolicy:
    return claims.snp.report.policy


def _check_forbidden(what: str, *, allowed: bool) -> None:
    if allowed:
        raise Unattested(f"the guest policy allows {what}, expected it forbidden")


def _check_octets(what: str, found: bytes | None, allowed: Sequence[bytes]) -> None:
    _check_among(what, None if found is None else found.hex(), [value.hex() for value in allowed])


def _check_among(what: str, found: str | None, allowed: Sequence[str]) -> None:
    if found not in allowed:
        expected = " or ".join(allowed) or "one of none"
        raise Unattested(f"the {what} is {found or 'not there'}, expected {expected}")
