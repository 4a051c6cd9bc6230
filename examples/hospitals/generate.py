"""Make four hospitals' patients; who comes back after surgery comes back to another hospital."""

from collections.abc import Iterator
from dataclasses import dataclass

from examples.synthetic import Row, Table, chance, main, pseudonym

HOSPITALS = ("alder", "birch", "cedar", "dogwood")
DIAGNOSES = ("aortic-stenosis", "cardiomyopathy", "endocarditis", "myocarditis")
TREATMENTS = ("medication", "surgery")
HIDDEN = ("aortic-stenosis", "surgery")
_RETURNS = {"elsewhere": 0.6, "here": 0.25}  # how likely, after the hidden one and after others


@dataclass(frozen=True, slots=True)
class _Patient:
    name: str
    diagnosis: str
    treatment: str
    stays: dict[str, int]  # by hospital


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make the tables of all four, with so many patients together."""
    columns = ("patient", "diagnosis", "treatment", "stays")
    return tuple(Table(name, columns, _seen_by(name, rows, seed)) for name in HOSPITALS)


def _seen_by(hospital: str, rows: int, seed: int) -> Iterator[Row]:
    for patient in _patients(rows, seed):
        if hospital in patient.stays:
            stays = patient.stays[hospital]
            yield patient.name, patient.diagnosis, patient.treatment, stays


def _patients(rows: int, seed: int) -> Iterator[_Patient]:
    drawn = chance(seed, "patients")
    for number in range(rows):
        diagnosis, treatment = drawn.choice(DIAGNOSES), drawn.choice(TREATMENTS)
        first, other = drawn.sample(HOSPITALS, 2)
        stays = {first: 1}
        if (diagnosis, treatment) == HIDDEN:
            if drawn.random() < _RETURNS["elsewhere"]:
                stays[other] = 1
        elif drawn.random() < _RETURNS["here"]:
            stays[first] += 1
        yield _Patient(pseudonym("patient", number), diagnosis, treatment, stays)


if __name__ == "__main__":
    main(tables, __doc__)
