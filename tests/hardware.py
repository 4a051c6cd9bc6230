"""Synthetic machines for tests, and the time at which they are looked at."""

from dataclasses import replace
from datetime import timedelta

from cleanroom.attestation.report import Product
from devstack.hardware.amd import SyntheticAmd
from devstack.hardware.paravisor import Paravisor
from devstack.hardware.snp import Chip, SnpReport
from devstack.hardware.uvm import ContainerGroup
from tests.builders import NOW

DAY = timedelta(days=1)
PRODUCTS = list(Product)


def chip(amd: SyntheticAmd | None = None) -> Chip:
    return Chip.make(amd or SyntheticAmd.make())


def guest(**fields: object) -> Chip:
    """A chip that launched a guest about which something is different."""
    made = chip()
    changed: SnpReport = replace(made.template, **fields)  # type: ignore[arg-type]  # a test's knobs
    return made.launched(changed)


def paravisor(made: Chip | None = None) -> Paravisor:
    return Paravisor.make(made or chip())


def group(made: Chip | None = None) -> ContainerGroup:
    return ContainerGroup.make(made or chip())


__all__ = ["DAY", "NOW", "PRODUCTS", "chip", "group", "guest", "paravisor"]
