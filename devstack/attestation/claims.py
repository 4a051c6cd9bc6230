"""What tokens claim, under Azure's names: of a processor's report, and of a virtual machine."""

from collections.abc import Mapping

from cleanroom.attestation.cvm import CvmClaims
from cleanroom.attestation.snp import SnpClaims

_SNP, _VM = "x-ms-sevsnpvm-", "x-ms-azurevm-"
UTILITY_VM, CONFIDENTIAL_VM = "azure-compliant-uvm", "azure-compliant-cvm"


def hardware(
    snp: SnpClaims, compliance: str | None, runtime: Mapping[str, object] | None
) -> dict[str, object]:
    """Say what the report says; at the top of a guest's token, or within a machine's."""
    report, tcb = snp.report, snp.reported
    claims: dict[str, object] = {
        "x-ms-attestation-type": "sevsnpvm",
        f"{_SNP}authorkeydigest": report.author_key_digest.hex(),
        f"{_SNP}bootloader-svn": tcb.bootloader,
        f"{_SNP}familyId": report.family_id.hex(),
        f"{_SNP}guestsvn": report.guest_svn,
        f"{_SNP}hostdata": report.host_data.hex(),
        f"{_SNP}idkeydigest": report.id_key_digest.hex(),
        f"{_SNP}imageId": report.image_id.hex(),
        f"{_SNP}is-debuggable": report.policy.debug,
        f"{_SNP}launchmeasurement": report.measurement.hex(),
        f"{_SNP}microcode-svn": tcb.microcode,
        f"{_SNP}migration-allowed": report.policy.migration,
        f"{_SNP}reportdata": report.report_data.hex(),
        f"{_SNP}reportid": report.report_id.hex(),
        f"{_SNP}smt-allowed": report.policy.smt,
        f"{_SNP}snpfw-svn": tcb.snp,
        f"{_SNP}tee-svn": tcb.tee,
        f"{_SNP}vmpl": report.vmpl,
    }
    if compliance is not None:
        claims["x-ms-compliance-status"] = compliance
    if runtime is not None:
        claims["x-ms-runtime"] = runtime
    return claims


def machine(
    vm: CvmClaims,
    system: Mapping[str, object],
    isolation: Mapping[str, object],
    runtime: Mapping[str, object],
) -> dict[str, object]:
    """Say what is known of a virtual machine.

    No boot log is read: what Azure's service reads there is said as of a machine that booted well.
    """
    return {
        "secureboot": vm.configuration.secure_boot,
        "x-ms-attestation-type": "azurevm",
        f"{_VM}attested-pcrs": sorted(vm.quote.pcrs),
        f"{_VM}bootdebug-enabled": False,
        f"{_VM}dbvalidated": True,
        f"{_VM}dbxvalidated": True,
        f"{_VM}debuggersdisabled": True,
        f"{_VM}default-securebootkeysvalidated": True,
        f"{_VM}elam-enabled": False,
        f"{_VM}flightsigning-enabled": False,
        f"{_VM}hvci-policy": 0,
        f"{_VM}hypervisordebug-enabled": False,
        f"{_VM}kerneldebug-enabled": False,
        f"{_VM}signingdisabled": True,
        f"{_VM}testsigning-enabled": False,
        f"{_VM}vmid": vm.configuration.vm_id,
        **{f"{_VM}{name}": value for name, value in system.items()},
        "x-ms-isolation-tee": isolation,
        "x-ms-runtime": runtime,
    }
