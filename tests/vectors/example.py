"""The worked example of docs/spec/sealed-file.md: every byte of the vector `hello`, named."""

from cleanroom.seal.layout import FOOTER_BYTES, MAGIC, TAG_BYTES
from tests.vectors.sealed import HELLO, seal

_SHORT = 64  # bytes that fit a table's cell
_BEGIN = "<!-- worked example -->\n"
_END = "<!-- end of worked example -->"


def worked_example() -> str:
    """Describe every byte of the vector `hello` in Markdown."""
    parts = seal("hello", HELLO)
    data = parts.together()
    end = len(parts.body)
    envelope = data[end + len(parts.table) : -FOOTER_BYTES]
    pieces = (
        ("ciphertext of region 0", 0, end - TAG_BYTES),
        ("its tag", end - TAG_BYTES, TAG_BYTES),
        ("region table: BLAKE3 of the 34 bytes above", end, len(parts.table)),
        ("envelope (shown below)", end + len(parts.table), len(envelope)),
        (f"length of the envelope, {len(envelope)}", len(data) - FOOTER_BYTES, 4),
        ("magic number", len(data) - len(MAGIC), len(MAGIC)),
    )
    lines = ["| offset | bytes | what |", "|---:|---|---|"]
    for what, offset, length in pieces:
        shown = data[offset : offset + length].hex(" ") if length <= _SHORT else f"{length} bytes"
        lines.append(f"| {offset} | `{shown}` | {what} |")
    facts = (
        ("plaintext", HELLO.hex(" ")),
        ("data key", parts.data_key.hex()),
        ("file id", parts.manifest.file_id.hex()),
        ("nonce of region 0", bytes(12).hex()),
        ("associated data of region 0", (parts.manifest.file_id + bytes(8)).hex()),
        ("digest of this version", parts.manifest.digest.text),
    )
    lines += ["", *(f"- {name}: `{value}`" for name, value in facts), ""]
    lines += ["The envelope:", "", "```json", envelope.decode(), "```", ""]
    lines += [
        "and the manifest inside it:",
        "",
        "```json",
        parts.manifest.to_bytes().decode(),
        "```",
    ]
    return "\n".join(lines)


def write_example(text: str) -> str:
    """Put the worked example between its marks."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + worked_example() + "\n" + _END + after
