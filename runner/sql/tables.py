"""How DuckDB reads an input: by what the owner's signed manifest declares, never by a guess."""

from cleanroom.schema import Column
from cleanroom.seal.content import Bytes, Content, CsvTable, Dialect

_TYPES = {
    "boolean": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "int128": "HUGEINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "text": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
}

_CSV_BUFFER = 8 << 20  # bytes that are read at once; a quarter of what DuckDB would take


def duckdb_type(ours: str) -> str:
    """Spell a column type of ours as DuckDB does."""
    return _TYPES[ours] if ours in _TYPES else ours.upper()  # the rest are decimals


def text_literal(value: str) -> str:
    """Spell text as SQL does."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Spell a name as SQL does."""
    return '"' + name.replace('"', '""') + '"'


def view(alias: str, content: Content, url: str) -> str:
    """Spell the statement that makes an input a table of its declared columns."""
    if isinstance(content, Bytes):
        raise TypeError("plain bytes are no table")
    cells = ", ".join(_cell(column) for column in content.columns)
    return f"CREATE VIEW {identifier(alias)} AS FROM {source(content, url)} SELECT {cells}"


def _cell(column: Column) -> str:
    name = identifier(column.name)
    return f"CAST({name} AS {duckdb_type(column.type)}) AS {name}"


def source(content: Content, url: str) -> str:
    """Spell how to read a file of this content."""
    file = text_literal(url)
    if isinstance(content, CsvTable):
        return (
            f"read_csv({file}, auto_detect = false, strict_mode = true, compression = 'none',"
            f" buffer_size = {_CSV_BUFFER}, hive_partitioning = false,"
            f" columns = {_struct(content.columns)}"
            f"{_dialect(content.dialect)})"
        )
    if isinstance(content, Bytes):
        raise TypeError("plain bytes are no table")
    if content.kind == "jsonl":
        return (
            f"read_json({file}, format = 'newline_delimited', compression = 'uncompressed',"
            f" hive_partitioning = false, auto_detect = false,"
            f" columns = {_struct(content.columns)})"
        )
    return f"read_parquet({file}, hive_partitioning = false)"


def _struct(columns: tuple[Column, ...]) -> str:
    parts = (f"{text_literal(c.name)}: {text_literal(duckdb_type(c.type))}" for c in columns)
    return "{" + ", ".join(parts) + "}"


def _dialect(dialect: Dialect) -> str:
    options: dict[str, str | bool] = {
        "delim": dialect.delimiter,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "header": dialect.header,
        "nullstr": dialect.null,
    }
    if dialect.date_format:
        options["dateformat"] = dialect.date_format
    if dialect.timestamp_format:
        options["timestampformat"] = dialect.timestamp_format
    return "".join(f", {name} = {_spelled(value)}" for name, value in options.items())


def _spelled(value: str | bool) -> str:
    return text_literal(value) if isinstance(value, str) else str(value)
