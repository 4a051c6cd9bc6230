"""From the bytes behind the body to a trusted manifest, table and data key, in this order.

1. `layout.envelope_span` finds the envelope from the footer.
2. `verified` checks the owner's signature and parses the manifest.
3. `layout.check_size` compares the signed sizes with the real ones.
4. `region_table` checks the table against the manifest; only now is it worth reading regions.
5. `data_key` unwraps the key for one reader.
"""

from dataclasses import dataclass

from cleanroom import dsse
from cleanroom.errors import PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.keys import DataKey, SigningKey, Unwrap
from cleanroom.seal.layout import footer
from cleanroom.seal.manifest import PAYLOAD_TYPE, DatasetOrigin, InlineKey, Manifest, WrappedKey
from cleanroom.seal.regions import RegionTable


@dataclass(frozen=True, slots=True)
class Unverified:
    """A manifest as it stands in the file: to look at, not to rely on."""

    manifest: Manifest
    signer: Digest


def unverified(envelope: bytes, where: str) -> Unverified:
    """Parse a manifest without knowing whose key should have signed it."""
    signed = dsse.Signed.parse(envelope, where)
    return Unverified(Manifest.parse(signed.payload, where), signed.key_id)


def verified(envelope: bytes, owner: SigningKey, where: str) -> Manifest:
    """Parse the manifest that the owner signed."""
    return Manifest.parse(dsse.verify(envelope, PAYLOAD_TYPE, owner, where), where)


def check_version(manifest: Manifest, at_least: int) -> None:
    """Refuse a dataset rolled back to an older version than the reader knows of."""
    origin = manifest.origin
    if not isinstance(origin, DatasetOrigin):
        raise PolicyRefused("a result has no version to compare")
    if origin.version < at_least:
        raise PolicyRefused(
            f"dataset {origin.dataset!r} is version {origin.version}, older than {at_least}"
        ).with_hint(
            "an older version was put in place of a newer one; ask the owner which is valid"
        )


def region_table(manifest: Manifest, data: bytes) -> RegionTable:
    """Check the digests of the regions against the signed manifest."""
    table = RegionTable(data)
    if table.digest != manifest.table_digest:
        raise Tampered("the table of regions is not the one that was signed")
    return table


def data_key(wrapped: WrappedKey, from_vault: bytes | None, unwrap: Unwrap) -> DataKey:
    """Unwrap the data key; `from_vault` is the secret's value when the manifest names one."""
    if isinstance(wrapped, InlineKey):
        return DataKey(unwrap(wrapped.wrapped))
    if from_vault is None:
        raise PolicyRefused(
            f"the wrapped key is not in the file but at {wrapped.secret}"
        ).with_hint("read that secret, and give its value's file with --wrapped-key")
    return DataKey(unwrap(from_vault))


def trailer(table: RegionTable, envelope: bytes) -> bytes:
    """Write everything that stands behind the body."""
    return table.data + envelope + footer(envelope)
