"""The sealed result: encrypted region by region, handed in as blocks, committed once.

- The receipt decides which result is the job's: it names a manifest, and is written once. Only then
  are the blocks committed. So a runner that is killed at any moment, or that was not alone with the
  job, leaves either nothing or exactly what the receipt names.
- A block is named by the job's key, which is new for each try and stands in the receipt: whoever
  has the receipt can commit the blocks.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cleanroom import dsse
from cleanroom.contract import Result
from cleanroom.errors import Unavailable
from cleanroom.ids import Digest
from cleanroom.keys import DATA_KEY_BYTES, DataKey, SigningKey
from cleanroom.seal.content import Content, CsvTable, Dialect, Table
from cleanroom.seal.document import trailer
from cleanroom.seal.layout import DEFAULT_REGION, Layout
from cleanroom.seal.manifest import PAYLOAD_TYPE, InlineKey, Manifest, ResultOrigin
from cleanroom.seal.regions import FILE_ID_BYTES, RegionCipher, RegionTable
from cleanroom.statement import Subject
from runner.compute import Computed
from runner.room.documents import RESULTS
from runner.room.storage import Account

_KEY_DIGITS = 48  # of the key's name in a block's, which has at most 64
_MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
DIALECT = Dialect(
    delimiter=",", quote='"', escape='"', header=True, null="", date_format="", timestamp_format=""
)
"""How a CSV result is written."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of one job, and where it goes."""

    storage: Account
    room: str
    job: Digest
    shape: Result

    @property
    def name(self) -> str:
        """Name its blob."""
        return f"{self.room}/{self.job.hex}/{self.shape.name}.sealed"

    def stage(
        self, computed: Computed, key: SigningKey, signer: dsse.Signer, now: datetime
    ) -> tuple[Subject, tuple[str, ...]]:
        """Seal a result for its readers and hand in its blocks, which are named in their order.

        1. Make a data key and a file id of its own. 2. Encrypt every region, note its digest, hand
        it in; the last one goes with what follows it. 3. Wrap the data key for each reader, have
        the job's key sign the manifest.
        """
        data_key = DataKey(secrets.token_bytes(DATA_KEY_BYTES))  # 1
        file_id = secrets.token_bytes(FILE_ID_BYTES)
        layout = Layout(len(computed.data), DEFAULT_REGION)
        cipher, digests, stored = RegionCipher(data_key, file_id), bytearray(), bytearray()
        blocks = tuple(_block(key, index) for index in range(max(1, layout.regions)))
        for index in range(layout.regions):  # 2
            if index:
                self.storage.stage(RESULTS, self.name, blocks[index - 1], stored)
            plain, stored = layout.plain(index), bytearray(layout.stored(index).length)
            digests += cipher.seal(index, computed.data[plain.offset : plain.end], stored)
        table = RegionTable(bytes(digests))
        manifest = Manifest(
            origin=ResultOrigin(self.job, self.shape.name),
            created=now,
            media_type=_MEDIA_TYPES[self.shape.format],
            content=_content(self.shape, computed.rows),
            rule=None,
            layout=layout,
            file_id=file_id,
            table_digest=table.digest,
            readers=tuple(InlineKey(r.key.id, r.key.wrap(data_key)) for r in self.shape.readers),
        )
        payload = manifest.to_bytes()
        Manifest.parse(payload, "result")  # never write what we would refuse to read
        envelope = dsse.sign(payload, PAYLOAD_TYPE, signer)  # 3
        self.storage.stage(RESULTS, self.name, blocks[-1], stored + trailer(table, envelope))
        return Subject(self.shape.name, Digest.of(payload)), blocks

    def commit(self, blocks: Sequence[str]) -> None:
        """Make the result of its blocks, unless it is made already."""
        self.storage.commit(RESULTS, self.name, blocks)

    def commit_staged(self, key: SigningKey) -> None:
        """Do so after another try, with the blocks that the receipt's key named."""
        prefix = _prefix(key)
        blocks = sorted(
            block for block in self.storage.staged(RESULTS, self.name) if block.startswith(prefix)
        )
        if blocks:
            self.commit(blocks)
        elif not self.storage.exists(RESULTS, self.name):
            raise Unavailable(f"{RESULTS}: neither the result nor its blocks are there")


def _prefix(key: SigningKey) -> str:
    return f"{key.id.hex[:_KEY_DIGITS]}-"


def _block(key: SigningKey, index: int) -> str:
    return f"{_prefix(key)}{index:06}"


def _content(shape: Result, rows: int) -> Content:
    if shape.format == "csv":
        return CsvTable(shape.columns, rows, DIALECT)
    return Table("parquet", shape.columns, rows)
