"""One target under atheris, in a process of its own: python -m tests.fuzz.child TARGET OPTIONS."""

import sys

import atheris  # type: ignore[import-untyped]  # has none

with atheris.instrument_imports(include=["cleanroom", "party"], enable_loader_override=False):
    from tests.fuzz.memory import limit_memory
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until told to stop; the exit code tells whether something was found."""
    _, name, *options = sys.argv
    target = TARGETS[name]

    def one_input(data: bytes) -> None:
        target(data)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        return mutated(data, most, seed, atheris.Mutate)

    atheris.Setup([sys.argv[0], *options], one_input, custom_mutator=mutator)
    limit_memory()
    atheris.Fuzz()


if __name__ == "__main__":
    main()
