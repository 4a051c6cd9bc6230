"""Predicted registers: compared with what other programs worked out for the same bytes."""

import hashlib
import json
from pathlib import Path

import pytest

from cleanroom.requirements import RunnerRequirement
from tests.builders import MILAN
from tests.infra.image.programs import program
from tools.image.__main__ import code_of_image, main
from tools.image.pcrs import ZERO, boot_programs, extended, kernel_image, predicted
from tools.image.pe import authenticode, sections

PARTS = [(".linux", b"kernel"), (".cmdline", b"root=/dev/x ro"), (".initrd", b"i" * 600)]
SIGNATURE = b"\x10\0\0\0\0\x02\x02\0signatur"
UKI = program([(".osrel", b"ID=x\n"), (".linux", program(PARTS)), (".cmdline", b"ro")])


def test_the_digest_of_a_program_is_that_of_authenticode() -> None:
    # Worked out by the package signify 0.9 for the same bytes.
    expected = "fd6965fa4d912cb0920345a2aae57db52fb2c047a9030aa65f829037b70b0b82"

    assert authenticode(program(PARTS)).hex() == expected


def test_signing_changes_no_digest() -> None:
    assert authenticode(program(PARTS, SIGNATURE)) == authenticode(program(PARTS))


def test_each_byte_of_a_section_changes_the_digest() -> None:
    for name in range(3):
        changed = [(each, data + b"x" * (i == name)) for i, (each, data) in enumerate(PARTS)]
        assert authenticode(program(changed)) != authenticode(program(PARTS))


def test_sections_are_read_without_what_pads_them() -> None:
    assert [(each.name, each.data) for each in sections(program(PARTS))] == PARTS


def test_register_11_is_what_systemd_measure_says() -> None:
    parts = {
        ".linux": b"kernel",
        ".osrel": b"ID=x\n",
        ".cmdline": b"root=/dev/x ro",
        ".initrd": b"initrd-bytes",
    }

    found = kernel_image(parts)

    # systemd-measure calculate --bank=sha256 --phase=:, and --phase=enter-initrd (systemd 252)
    assert found.hex() == "02c081f0197a296d176817fa432bc38ca2b58bfbdc4253002bc27d23ec760369"
    entered = extended(found, [hashlib.sha256(b"enter-initrd").digest()])
    assert entered.hex() == "3e34018cfbcd1a7f663584290f84cfe81a1a09b0dfba856c432acfc7f938c450"


def test_sections_are_measured_in_the_stubs_order_and_not_in_the_files() -> None:
    parts = {".cmdline": b"ro", ".linux": b"kernel"}

    assert kernel_image(parts) == kernel_image(dict(reversed(parts.items())))


def test_register_4_names_the_image_and_the_kernel_inside_it() -> None:
    digests = [
        hashlib.sha256(b"Calling EFI Application from Boot Option").digest(),
        hashlib.sha256(bytes(4)).digest(),
        authenticode(UKI),
    ]

    assert boot_programs(UKI, kernel_by_firmware=False) == extended(ZERO, digests)
    assert boot_programs(UKI) == extended(ZERO, [*digests, authenticode(program(PARTS))])


def test_another_command_line_is_another_machine() -> None:
    other = program([(".osrel", b"ID=x\n"), (".linux", program(PARTS)), (".cmdline", b"rw")])

    found, changed = predicted(UKI), predicted(other)

    assert {i for i in found if found[i] != changed[i]} == {4, 11}


def test_nothing_may_lie_beside_the_image() -> None:
    assert {i: predicted(UKI)[i] for i in (12, 13)} == {12: "00" * 32, 13: "00" * 32}


def test_a_contract_takes_what_is_said_of_an_image() -> None:
    spelled = {
        "platform": "azure-cvm",
        "code": code_of_image(UKI),
        "minimum_svn": MILAN,
        "walls": [],
        "debug": False,
    }

    found = RunnerRequirement.parse(spelled, "runner")

    assert found.to_dict() == spelled


def test_a_register_that_is_not_as_predicted_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = code_of_image(UKI)
    pcrs = [{"index": i, "sha256": predicted(UKI).get(i, "00" * 32)} for i in range(24)]
    (tmp_path / "code.json").write_text(json.dumps(code))
    (tmp_path / "uki.efi").write_bytes(UKI)
    asked = ["compare", str(tmp_path / "evidence.json"), str(tmp_path / "code.json")]

    (tmp_path / "evidence.json").write_text(json.dumps({"pcrs": pcrs}))
    assert main(asked) == 0
    pcrs[12]["sha256"] = "ab" * 32
    (tmp_path / "evidence.json").write_text(json.dumps({"pcrs": pcrs}))
    assert main(asked) == 3

    told = capsys.readouterr().out.splitlines()
    assert told == ["as predicted", f"PCR 12: predicted {'00' * 32}, measured {'ab' * 32}"]
    assert main(["pcrs", str(tmp_path / "uki.efi")]) == 0
    assert json.loads(capsys.readouterr().out) == code


@pytest.mark.parametrize("bad", [b"MZ" + bytes(100), b"ELF" + bytes(100)])
def test_what_is_no_program_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match="UEFI program"):
        authenticode(bad)
