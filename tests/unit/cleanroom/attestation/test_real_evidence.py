"""Real machines get the verdict that their evidence deserves, and no byte of it can change."""

import hashlib
import json
from base64 import b64decode
from dataclasses import replace

import pytest

from cleanroom.attestation import container, cvm, snp, uvm
from cleanroom.attestation.acceptable import AZURE_PARAVISORS, of_contract
from cleanroom.attestation.acceptable import accept as accepted
from cleanroom.attestation.amd import AMD_ROOTS
from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.cvm import CvmEvidence
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.report import SIGNED_BYTES, Product, Tcb
from cleanroom.attestation.snp import SnpClaims
from cleanroom.attestation.uvm import microsoft
from cleanroom.errors import CleanroomError, Unattested
from cleanroom.requirements import HostData, MinimumSvn, Pcrs, RunnerRequirement
from tests import evidence_files
from tests.hardware import NOW

pytestmark = pytest.mark.real_evidence

MACHINES = ("hcl", "v2", "genoa-vm")
EVERY = ("milan", "genoa", "turin", "aci", "encryption-key", *MACHINES)
AZURE = MinimumSvn("Milan", 0, bootloader=3, tee=0, snp=8, microcode=115)
OLDEST = {
    Product.MILAN: AZURE,
    Product.GENOA: MinimumSvn("Genoa", 0, bootloader=10, tee=0, snp=23, microcode=84),
}


def claims(name: str) -> SnpClaims:
    report, chain = evidence_files.report(name)
    return snp.verify(report, chain, AMD_ROOTS, NOW)


KNOWN = {
    "milan": (
        Product.MILAN,
        *(3, 2, "04000000000018db", Tcb(4, 0, 24, 219, 0)),
        "5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920ab2fa0096903a0c23fca1",
        "4ffb5cb4fd594f3fee6528fc3fb10370bb38abe89dcd5ba2cf0ab6a11df2ca282add516bef45a890a8c9f9732bdca68f9f3f16c42e846030a800295dbeb19ba5",
        "4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10",
        "",
    ),
    "genoa": (
        Product.GENOA,
        *(3, 2, "0a00000000001754", Tcb(10, 0, 23, 84, 0)),
        "5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920ab2fa0096903a0c23fca1",
        "b1e24a27bbc3a4d58090d8b89851dce3b8031544be249b9ac17132bb222b027622347ee4d0fe4f689efdfc47a68cefc686cbb448d01436506ee1e28010cab7c0",
        "4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10",
        "",
    ),
    "turin": (
        Product.TURIN,
        *(5, 2, "0101010400000051", Tcb(1, 1, 4, 81, 1)),
        "6d6c354511d6f7c6d7504668903dc5bdc066a048b651840d8d03fb85299ebfa142fccf1d1b0baca496841bdf243619d4",
        "59790fb1c39f35c1" + "00" * 56,
        "b3452a0ed30f1010bd32740dd1610bc63296ceb0f882f2cac3a3152d651fe7e4",
        None,
    ),
    "aci": (
        Product.MILAN,
        *(2, 2, "0300000000000873", Tcb(3, 0, 8, 115, 0)),
        "51068107cdc7ee3d89c7821b05bca6147eb77b2005ae759050fc049b65a1b0beabc65a9d857acecf23225f5ec76849f5",
        "b12164b45a2a27426e04ab52c5781d404fe2eab35ef5c4f714ce0fc23d2fb3f3e65631710244a4edfad191616be3366e48a6352b35128d748458bc9c282d0f5a",
        "cadd74f71ebb8fbf9782baab649612520f3c416bc5ce9ac768808ddc8d9b031c",
        "ee986ff2bd7e3f22e29f640918627816cf8e23b9d9c312767168eab68c861c71",
    ),
    "encryption-key": (
        Product.MILAN,
        *(3, 2, "04000000000018db", Tcb(4, 0, 24, 219, 0)),
        "d0c9e2be22046e60779be88868cff64c2aa22047c15d3127ba495cee3fbc2854c5633f9da2096e6c64ae2b69bbff8082",
        "75ea80855ed63f5ff5af5078e91774d0487d02232d6496f72cad2436680180fccf4b3c733cde5b0976eb03583352f5f9f46a89258f8b79c6a29ef136b4d31673",
        "73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20",
        "8b2e75cafc4eebdc85f810fea38551e2ac354c0517d9b23fe8f5fa33ad526086",
    ),
    "hcl": (
        Product.MILAN,
        *(2, 5, "0300000000000873", Tcb(3, 0, 8, 115, 0)),
        "9ac48fcac8a2d88aeeff8d427ad4f2be0e3917c748a18bdf52cc317e7fe20308b459d5ef1a12e0c22944eb386d17c315",
        "19752a447db501a32ade46428a46e92639bd3515dbb45e2e67bbcb0934ffcf1f3e3c004ccb4a99c9fa7e4ffb09da6b324ac58acedaf679f24ba7db5f838c6cca",
        "00" * 32,
        "b3fbad6514c83caeb0380882145e49f794229ef37c421b91fc47ff93556bafac",
    ),
    "v2": (
        Product.MILAN,
        *(3, 12, "04000000000018db", Tcb(4, 0, 24, 219, 0)),
        "5b0ce64ad1c1f6375dbda5f760b98526ca1bcf91b8195091afc28e7b024251d68fe32e05af34048d6607678cd23283ff",
        "2e0e62a0e6f39bc491381b091ff79cfe03ad0b42a6bbe764fd408923963d9097440365dbf8c3412c8da4969024d81b19c1d4f12197f460bf2b5283a25e32f684",
        "00" * 32,
        "cf7cc0731c50f64876804b3943b2bfbd93dba69f5928e3df223e78ff34dd46ee",
    ),
    "genoa-vm": (
        Product.GENOA,
        *(3, 65547, "0a00000000001754", Tcb(10, 0, 23, 84, 0)),
        "f57dc09a507c6ecd82369bffb600f0003792f4d99bc26e985ec0c266fc34faf3706faf814c9e61065768a6ff917c89ae",
        "0506ffba875e939c2729d20c74eb72b4c5ba6bf7ea1faaa640141f12c6d64782fb487f68ce69dcd021e914cc0d9244327bc121f0242d6470903ad1d4aaea4ad1",
        "00" * 32,
        None,
    ),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_real_report_says_what_is_known_of_it(name: str) -> None:
    found = claims(name)
    report = found.report

    product, version, svn, raw, tcb, measurement, chip_id, host_data, report_data = KNOWN[name]
    assert (found.product, found.synthetic, found.endorsed_by) == (product, False, "VCEK")
    assert (report.version, report.guest_svn, report.reported_tcb.hex()) == (version, svn, raw)
    assert found.reported == tcb
    assert report.measurement.hex() == measurement
    assert report.chip_id.hex() == chip_id
    assert report.host_data.hex() == host_data
    assert report_data is None or report.report_data.hex() == report_data.ljust(128, "0")
    assert (report.policy.debug, report.policy.migration, report.vmpl) == (False, False, 0)


@pytest.mark.parametrize("name", EVERY)
def test_no_byte_that_is_signed_can_change(name: str) -> None:
    report, chain = evidence_files.report(name)
    believed = []

    for at in range(SIGNED_BYTES):
        try:
            snp.verify(
                report[:at] + bytes((report[at] ^ 1,)) + report[at + 1 :], chain, AMD_ROOTS, NOW
            )
            believed.append(at)
        except CleanroomError:
            pass

    assert believed == []


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("other", EVERY)
def test_a_certificate_is_for_the_reports_of_its_own_machine(name: str, other: str) -> None:
    report, chain = evidence_files.report(name)[0], evidence_files.report(other)[1]

    if name == other:
        assert snp.verify(report, chain, AMD_ROOTS, NOW).endorsed_by == "VCEK"
    else:
        with pytest.raises(Unattested):
            snp.verify(report, chain, AMD_ROOTS, NOW)


@pytest.mark.parametrize("name", EVERY)
def test_a_certificate_has_its_time(name: str) -> None:
    report, chain = evidence_files.report(name)

    with pytest.raises(Unattested, match=r"^the certificate 'SEV-VCEK' is valid from "):
        snp.verify(report, chain, AMD_ROOTS, NOW.replace(year=2040))


@pytest.mark.parametrize("product", evidence_files.PRODUCTS)
def test_the_intermediate_for_vlek_does_not_make_a_chain(product: str) -> None:
    with pytest.raises(Unattested, match=r"^the chain has 0 certificates SEV-VCEK or SEV-VLEK"):
        snp.verify(evidence_files.report(product)[0], evidence_files.roots(product), AMD_ROOTS, NOW)


# --- confidential VMs


@pytest.mark.parametrize("name", MACHINES)
def test_a_real_machine_is_genuine(name: str) -> None:
    evidence = evidence_files.machine(name)

    found = cvm.verify(evidence, AMD_ROOTS, NOW)

    assert not found.snp.synthetic
    assert found.configuration.secure_boot
    assert (found.quote.nonce, found.quote.pcrs) == (evidence.nonce, dict(evidence.pcrs))


def test_user_data_is_what_the_guest_wrote() -> None:
    nonce = evidence_files.machine("v2").nonce

    found = [cvm.verify(evidence_files.machine(name), AMD_ROOTS, NOW) for name in MACHINES]

    assert [claims.user_data for claims in found] == [bytes(64), nonce.ljust(64, b"\0"), bytes(64)]
    assert found[2].configuration.vm_id == "390CBCF5-6C67-4D9B-98EF-C3F1699CC8FC"


@pytest.mark.parametrize("name", MACHINES)
def test_no_claim_and_no_byte_of_a_quote_can_change(name: str) -> None:
    evidence = evidence_files.machine(name)
    end = 1236 + int.from_bytes(evidence.hcl[1232:1236], "little")
    believed = []

    for part, places in (
        ("hcl", range(1216, end, 3)),
        ("quote", range(len(evidence.quote))),
        ("quote_signature", range(0, len(evidence.quote_signature), 5)),
    ):
        data: bytes = getattr(evidence, part)
        for at in places:
            spoilt = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
            try:
                cvm.verify(replace(evidence, **{part: spoilt}), AMD_ROOTS, NOW)  # type: ignore[arg-type]  # of bytes
                believed.append((part, at))
            except CleanroomError:
                pass

    assert believed == []


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("other", MACHINES)
def test_a_quote_is_of_its_own_machine(name: str, other: str) -> None:
    evidence, theirs = evidence_files.machine(name), evidence_files.machine(other)
    mixed = replace(theirs, hcl=evidence.hcl, chain=evidence.chain)

    if name == other:
        assert cvm.verify(mixed, AMD_ROOTS, NOW).quote.nonce == evidence.nonce
    else:
        with pytest.raises(Unattested, match=r"^the signature of the TPM's attestation key"):
            cvm.verify(mixed, AMD_ROOTS, NOW)


@pytest.mark.parametrize("name", MACHINES)
def test_a_contract_can_demand_a_real_machine(name: str) -> None:
    found = cvm.verify(evidence_files.machine(name), AMD_ROOTS, NOW)
    pcrs = Pcrs(tuple((index, found.quote.pcrs[index].hex()) for index in (4, 7)))
    demand = RunnerRequirement("azure-cvm", pcrs, OLDEST[found.snp.product], frozenset())

    assert accepted(found, of_contract(demand, AZURE_PARAVISORS)).claims == found


# --- containers


def test_the_policy_of_a_real_container_group_is_in_its_host_data() -> None:
    policy = b64decode(evidence_files.read("aci/uvm_security_policy.base64"))

    assert claims("aci").report.host_data == hashlib.sha256(policy).digest()


def test_the_form_in_which_the_host_gives_certificates() -> None:
    value = json.loads(evidence_files.read("aci/uvm_host_amd_certificate.json"))
    chain = (value["vcekCert"] + value["certificateChain"]).encode()

    found = snp.verify(evidence_files.report("aci")[0], chain, AMD_ROOTS, NOW)

    assert found.report.reported_tcb[::-1].hex() == value["tcbm"].lower()


def test_a_real_utility_vm_is_endorsed() -> None:
    cose = evidence_files.read("aci/body.uvm_reference_info.bin")
    measurement = claims("aci").report.measurement

    assert uvm.verify(cose, [microsoft(22)], measurement).svn == 22
    with pytest.raises(Unattested, match=r"^the utility vm is version 22, expected at least 23$"):
        uvm.verify(cose, [microsoft(23)], measurement)
    with pytest.raises(Unattested, match=r"^the uvm endorsement is for measurement "):
        uvm.verify(cose, [microsoft(22)], bytes(48))


def test_no_byte_of_a_real_endorsement_that_is_signed_can_change() -> None:
    cose = evidence_files.read("aci/body.uvm_reference_info.bin")
    measurement = claims("aci").report.measurement
    protected_end = 5 + int.from_bytes(cose[3:5], "big")
    payload = cose.index(b"x-ms-sevsnpvm-guestsvn")
    believed = []

    for at in (*range(1, protected_end, 3), *range(payload, payload + 150)):
        try:
            uvm.verify(
                cose[:at] + bytes((cose[at] ^ 1,)) + cose[at + 1 :], [microsoft(1)], measurement
            )
            believed.append(at)
        except CleanroomError:
            pass

    assert believed == []


def test_a_real_container_group_is_genuine() -> None:
    found = container.verify(evidence_files.encryption_key(), AMD_ROOTS, [microsoft(100)], NOW)

    assert found.endorsement is not None
    assert found.endorsement.svn == 103
    assert b'"keys"' in found.runtime_data


def test_a_contract_can_demand_a_real_container_group() -> None:
    found = container.verify(evidence_files.encryption_key(), AMD_ROOTS, [microsoft(100)], NOW)
    code = HostData("73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20", 103)

    granted = accepted(found, of_contract(RunnerRequirement("aci", code, AZURE, frozenset()), ()))

    assert granted.claims == found


def test_real_evidence_fits_a_bundle() -> None:
    every: list[CvmEvidence | ContainerEvidence] = [evidence_files.encryption_key()]
    every += [evidence_files.machine(name) for name in MACHINES]

    for evidence in every:
        data = EvidenceBundle(evidence).to_bytes()
        found = EvidenceBundle.parse(data, "evidence")

        assert found.verify(AMD_ROOTS, [microsoft(1)], NOW) == EvidenceBundle(evidence).verify(
            AMD_ROOTS, [microsoft(1)], NOW
        )
