"""The targets take every seed and every input that was a finding once, and get as deep as ever."""

import tracemalloc
from collections.abc import Iterator

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import committed, seeds
from tests.fuzz.targets import (
    ENCRYPTED,
    HONEST_DIGEST,
    HONEST_SIZE,
    HONEST_TABLE,
    TARGETS,
    regions,
)

MOST_MEMORY = 8 << 20  # bytes, and some more for each that there is
INPUTS = [
    pytest.param(name, data, id=f"{name}-{file}")
    for name in TARGETS
    for file, data in (seeds(name) | committed(name)).items()
]


@pytest.fixture
def counted_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(("name", "data"), INPUTS)
@pytest.mark.usefixtures("counted_memory")
def test_an_input_is_refused_by_an_error_of_ours_and_costs_no_more_than_it_holds(
    name: str, data: bytes
) -> None:
    TARGETS[name](data)

    _, peak = tracemalloc.get_traced_memory()
    assert peak < MOST_MEMORY + 10 * len(data)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_that_were_mutated_are_refused_by_an_error_of_ours(name: str) -> None:
    inputs = list(seeds(name).values())
    changed = {  # what is no JSON comes out the same each time
        mutated(data, len(data) + 100, seed, lambda data, _: data[:-1] + b"}")
        for seed in range(200)
        for data in [inputs[seed % len(inputs)]]
    }

    for data in changed:
        TARGETS[name](data)


@pytest.mark.parametrize(
    ("name", "seed", "expected"),
    [
        pytest.param(
            "tail",
            "hello",
            {"envelope", "unverified", "verified", "file"},
            id="sealed file",
        ),
        pytest.param(
            "tail",
            "foreign-signature",
            {"envelope", "unverified"},
            id="signed by another",
        ),
        pytest.param("manifest", "empty", {"manifest", "file"}, id="manifest"),
        pytest.param(
            "documents",
            "contract-good",
            {"JSON", "canonical JSON", "contract"},
            id="contract",
        ),
        pytest.param(
            "documents",
            "approval-good",
            {"JSON", "canonical JSON", "envelope", "signed approval"},
            id="signed approval",
        ),
        pytest.param(
            "documents",
            "approval-good-payload",
            {"JSON", "canonical JSON", "approval"},
            id="approval",
        ),
        pytest.param(
            "documents",
            "receipt-good",
            {"JSON", "canonical JSON", "envelope", "signed receipt"},
            id="signed receipt",
        ),
        pytest.param(
            "documents",
            "receipt-good-payload",
            {"JSON", "canonical JSON", "receipt"},
            id="receipt",
        ),
        pytest.param(
            "documents",
            "job-changed",
            {"JSON", "canonical JSON", "job, named rightly"},
            id="job, named rightly",
        ),
        pytest.param(
            "documents",
            "job-good",
            {"JSON", "canonical JSON", "job", "job, named rightly"},
            id="job",
        ),
        pytest.param(
            "documents",
            "outcome-good",
            {"JSON", "canonical JSON", "outcome"},
            id="outcome",
        ),
        pytest.param("documents", "nested", set(), id="nested too deep"),
        pytest.param("regions", "misplaced-table", set(), id="table in the wrong place"),
        pytest.param("chain", "vlek-reversed", {"certificates", "chain", "root"}, id="chain"),
        pytest.param(
            "certificate",
            "turin-leaf",
            {"certificate", "time", "leaf"},
            id="certificate of a chip, signed again",
        ),
        pytest.param(
            "certificate", "vault", {"certificate", "time", "vault"}, id="certificate of a vault"
        ),
        pytest.param("endorsement", "cose", {"endorsement", "parts", "signed"}, id="endorsement"),
        pytest.param("endorsement", "header", {"header"}, id="header of an endorsement"),
        pytest.param(
            "report",
            "vlek",
            {"report", "genuine", "signed", "container", "container, bound"},
            id="report",
        ),
        pytest.param(
            "hcl", "hash-3", {"hcl", "bound", "bound, acceptable", "bound, bound"}, id="paravisor"
        ),
        pytest.param(
            "hcl",
            "claims",
            {"bound", "bound, acceptable", "bound, bound"},
            id="claims of a paravisor",
        ),
        pytest.param("tpm", "quote-of-one", {"quote", "rebound"}, id="quote"),
        pytest.param("tpm", "certify", {"certified"}, id="certified key"),
        pytest.param("tpm", "public-signing", {"public"}, id="key of a TPM"),
        pytest.param(
            "evidence",
            "runtime-data",
            {"runtime data", "runtime data, acceptable", "runtime data, bound"},
            id="runtime data",
        ),
        pytest.param(
            "token",
            "machine",
            {"token", "type", "runtime", "snp", "wrapping key", "meets machine"},
            id="token",
        ),
        pytest.param("authority", "keys", {"keys"}, id="keys of an authority"),
        pytest.param("authority", "configuration", {"configuration"}, id="where its keys are"),
        pytest.param(
            "policy",
            "container",
            {"policy", "met by container", "equals container"},
            id="release policy",
        ),
        pytest.param("answer", "payload", {"payload"}, id="payload of an answer"),
        pytest.param("answer", "header", {"header"}, id="header of an answer"),
        pytest.param("answer", "answer", {"JWS", "answer"}, id="answer of a vault"),
        pytest.param("wrapped", "CKM_RSA_AES_KEY_WRAP", {"wrapped", "whole"}, id="wrapped key"),
        pytest.param(
            "wrapped", "RSA_AES_KEY_WRAP_384-padded", {"padded", "whole"}, id="its second half"
        ),
        pytest.param("wrapped", "room-key", {"room key", "whole"}, id="key of a room"),
    ],
)
def test_a_seed_gets_as_deep_as_it_should(name: str, seed: str, expected: set[str]) -> None:
    assert TARGETS[name](seeds(name)[seed]) == expected


ALL = HONEST_SIZE | HONEST_TABLE | HONEST_DIGEST


@pytest.mark.parametrize("body", ["short", "two-regions"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param(ALL | ENCRYPTED, {"file", "span"}, id="honest"),
        pytest.param(ALL - HONEST_SIZE | ENCRYPTED, set(), id="size"),
        pytest.param(ALL - HONEST_TABLE | ENCRYPTED, None, id="table"),
        pytest.param(ALL - HONEST_DIGEST | ENCRYPTED, set(), id="digest of the table"),
    ],
)
def test_regions_open_only_where_the_manifest_is_honest(
    body: str, flags: int, expected: set[str] | None
) -> None:
    found = regions(seeds("regions")[f"{flags:04b}-{body}"])

    assert ("span" in found) == (expected == {"file", "span"})
    assert expected is None or found == expected
