"""What a confidential VM says of itself, and whether it is true (docs/spec/attestation.md).

Evidence is bytes from anywhere; claims are what was proven genuine; a grant is claims that a reader
of the contract would accept. Each is a type of its own, and only one function makes each.

- Pure: bytes, roots and time come in, claims go out. No network, clock, settings or logging.
- No check can be left out by leaving out an argument.
"""
