"""Names and digests: each value has one spelling, so equal values are equal text."""

import hashlib
import hmac
from dataclasses import dataclass

from cleanroom.fields import Parser, matching

_PREFIX = "sha256:"
_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"
_FINGERPRINT_WORDS = 6  # of 16 bits each

name: Parser[str] = matching(
    r"(?=.{1,63}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    "a name of 1 to 63 lower-case letters, digits and single hyphens, starting with a letter",
)
"""A room, party, dataset or output: safe in URLs, file names and blob names."""

alias: Parser[str] = matching(
    r"[a-z_][a-z0-9_]{0,62}",
    "1 to 63 lower-case letters, digits and underscores, not starting with a digit",
)
"""A name that stands in a program: dataset alias, column, parameter."""

sha256_hex: Parser[str] = matching(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")
_digest = matching(r"sha256:[0-9a-f]{64}", "'sha256:' and 64 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256 digest, spelled `sha256:` and 64 lower-case hexadecimal digits."""

    text: str

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """Name these bytes."""
        return cls(_PREFIX + hashlib.sha256(data).hexdigest())

    @classmethod
    def parse(cls, raw: object, where: str) -> "Digest":
        """Accept the one spelling."""
        return cls(_digest(raw, where))

    @classmethod
    def from_hex(cls, raw: object, where: str) -> "Digest":
        """Accept the bare hexadecimal form that in-toto statements use."""
        return cls(_PREFIX + sha256_hex(raw, where))

    @property
    def hex(self) -> str:
        """Only the hexadecimal digits."""
        return self.text.removeprefix(_PREFIX)

    def matches(self, data: bytes) -> bool:
        """Tell whether these are the bytes so named."""
        return hmac.compare_digest(self.text, Digest.of(data).text)

    @property
    def words(self) -> str:
        """The first 96 bits as six pronounceable words, to compare by voice.

        An aid for people, not a check: what binds is the digest (docs/spec/contract.md).
        """
        bits = bytes.fromhex(self.hex)
        return "-".join(
            _word(int.from_bytes(bits[2 * i : 2 * i + 2], "big")) for i in range(_FINGERPRINT_WORDS)
        )

    def __str__(self) -> str:
        return self.text


def _word(bits: int) -> str:
    """Sixteen bits as consonant-vowel-consonant-vowel-consonant (a proquint)."""
    letters = ((_CONSONANTS, 12), (_VOWELS, 10), (_CONSONANTS, 6), (_VOWELS, 4), (_CONSONANTS, 0))
    return "".join(alphabet[(bits >> shift) & (len(alphabet) - 1)] for alphabet, shift in letters)
