"""Programs that are refused, each by its wall, and programs that are not."""

from collections.abc import Iterator

import duckdb
import pytest

from cleanroom.errors import PolicyRefused
from runner.sql import reading, statement
from runner.sql.refusal import Wall

INPUTS = frozenset({"a", "b"})
PARAMETERS = frozenset({"low", "day", "segment"})

HOSTILE = {
    Wall.SELECT: [
        "",
        ";",
        "-- nothing",
        "select 1; select 2",
        "select * from a; copy a to '/tmp/x.csv'",
        "copy a to '/tmp/x.csv'",
        "copy (select * from a) to 'https://example.com/x.parquet'",
        "copy a from '/etc/passwd'",
        "export database '/tmp/x'",
        "import database '/tmp/x'",
        "attach '/tmp/x.db' as x",
        "attach ':memory:' as x",
        "detach x",
        "use x",
        "install httpfs",
        "load httpfs",
        "load '/tmp/evil.duckdb_extension'",
        "set enable_external_access = true",
        "reset lock_configuration",
        "set variable x = (select max(x) from a)",
        "pragma database_list",
        "pragma version",
        "call pragma_version()",
        "create table x as select * from a",
        "create temp view a as select 1",
        "create macro abs(x) as 1",
        "create secret (type s3)",
        "create type x as enum (select x from a)",
        "insert into a values (1)",
        "update a set x = 1",
        "delete from a",
        "drop view a",
        "alter table a rename to c",
        "truncate a",
        "prepare p as select * from a",
        "execute p",
        "explain select * from a",
        "explain analyze select * from a",
        "describe a",
        "show tables",
        "show all tables",
        "summarize a",
        "pivot a on x using sum(y)",
        "begin transaction",
        "checkpoint",
        "vacuum",
        "select * from a where",
        "comment on table a is 'x'",
    ],
    Wall.TABLES: [
        "select * from c",
        "select * from '/etc/passwd'",
        "select * from 'a.csv'",
        "select * from 'https://example.com/x.parquet'",
        'select * from "sealed:///in/a"',
        "select * from main.a",
        "select * from memory.main.a",
        "select * from information_schema.tables",
        "select * from duckdb_settings",
        "select * from pg_catalog.pg_class",
        "select * from sqlite_master",
        "select * from (with c as (select 1) select * from c) x, c",
        "with c as (select * from d), d as (select 1) select * from c",
        "with a as (select 1) select * from a",
        "with A as (select 1) select * from b",
        "select (select max(x) from c) from a",
        "select * from a where x in (select x from c)",
        "select 1 union all select * from c",
    ],
    Wall.FUNCTIONS: [
        "select * from read_csv('/etc/passwd')",
        "select * from read_parquet('https://example.com/x')",
        "select * from read_text('/proc/self/environ')",
        "select * from read_blob('/dev/mem')",
        "select * from glob('/**')",
        "select * from parquet_metadata('x')",
        "select * from sniff_csv('x')",
        "select * from query('select 1')",
        "select * from query_table('a')",
        "select * from json_execute_serialized_sql(x)",
        "select json_serialize_sql('select 1') from a",
        "select * from duckdb_secrets()",
        "select * from duckdb_settings()",
        "select * from duckdb_logs()",
        "select * from pragma_table_info('a')",
        "select * from range(1000000000000)",
        "select * from generate_series(1, 1000000000000)",
        "select unnest([1, 2]) from a",
        "select repeat('x', 1000000000) from a",
        "select lpad(x, 1000000000, 'x') from a",
        "select range(1000000000) from a",
        "select format('{:>1000000000}', x) from a",
        "select printf('%1000000000d', x) from a",
        "select error(x) from a",
        "select getenv('HOME')",
        "select current_setting('temp_directory')",
        "select getvariable('x')",
        "select write_log(x) from a",
        "select nextval('x')",
        "select random() from a",
        "select setseed(0.5)",
        "select uuid() from a",
        "select gen_random_uuid() from a",
        "select now()",
        "select today()",
        "select age(x) from a",
        "select version()",
        "select txid_current()",
        "select current_database()",
        "select in_search_path('memory', 'main')",
        "select pg_catalog.version()",
        "select system.main.abs(x) from a",
        "select getvariable.abs(1)",
        "select any_value(x) from a",
        "select first(x) from a",
        "select mode(x) from a",
        "select arg_max(x, y) from a",
        "select max_by(x, y) from a",
        "select list(x) from a",
        "select array_agg(x) from a",
        "select string_agg(x, ',') from a",
        "select listagg(x, ',') from a",
        "select histogram(x) from a",
        "select approx_count_distinct(x) from a",
        "select reservoir_quantile(x, 0.5) from a",
        "select list_value(x) from a",
        "select [x, y] from a",
        "select {'x': x} from a",
        "select map {x: y} from a",
        "select row(x, y) from a",
        "select a.x.error() from a",
        "select x.repeat(10) from a",
        "select sum(random()) over () from a",
        "select list(x) over (order by x) from a",
        "select x from a order by random() limit 1",
        "select x from a having error(x)",
        "select case when true then getenv('x') end",
        "with c as (select getenv('x')) select * from c",
    ],
    Wall.COLUMNS: [
        "select current_date",
        "select current_timestamp",
        "select CURRENT_TIME from a",
        "select localtimestamp",
        "select current_user",
        "select session_user",
        "select current_schema",
        "select x from a where day < current_date",
        "select rowid from a",
        "select a.rowid from a",
    ],
    Wall.TYPES: [
        "select x::json from a",
        "select x::int[] from a",
        "select cast(x as struct(y int)) from a",
        "select x::map(int, int) from a",
        "select x::bit from a",
        "select x::regclass from a",
        "select cast('x' as enum ('x', 'y'))",
        "select try_cast(x as nothing_known) from a",
        "select x::timetz from a",
    ],
    Wall.PARAMETERS: [
        "select $1",
        "select $other from a",
        "select x from a where x = $low and y = $high",
    ],
    Wall.RECURSION: [
        "with recursive c as (select 1 as n union all select n + 1 from c) select * from c",
        "with recursive c(n) using key (n) as (select 1 union select n + 1 from c) select * from c",
        "select * from (with recursive c as (select 1 union select 2 from c) select * from c)",
    ],
    Wall.ORDER: [
        "select x from a limit 1",
        "select x from a offset 1",
        "select * from (select x from a limit 1)",
        "with c as (select x from a limit 1) select * from c",
        "select x from a limit 10%",
        "select x from a order by x limit 10%",
        "select x from a union select y from b limit 1",
        "select distinct on (x) y from a",
        "select x from a using sample 10",
        "select x from a tablesample 10%",
        "select x from a tablesample reservoir(10 rows)",
        "select row_number() over () from a",
        "select first_value(x) over (partition by y) from a",
        "select lag(x) over () from a",
        "select sum(x) over (rows between 1 preceding and current row) from a",
        "select * from a positional join b",
    ],
    Wall.CONSTRUCTS: [
        "select columns('x.*') from a",
        "select columns(*) + 1 from a",
        "select * like 'x%' from a",
        "select x[1] from a",
        "select x[1:2] from a",
        "select (x).y from a",
        "select x -> 'y' from a",
        "select x collate nocase from a",
        "select x from a order by x collate de",
        "select #1 from a",
        "select default",
        "select try(x) from a",
        r"select e'\x27'",
        "select * from a unpivot (x for y in (z, w))",
        "select * from a pivot (sum(x) for y in ('z'))",
        "select * from a at (version => 1)",
        "select * from a order by all",
        "select lambda x : x + 1",
    ],
    Wall.SIZE: [
        "select " + "(" * 65 + "1" + ")" * 65,
        "select " + "(select " * 65 + "1" + ")" * 65,
        "select '" + "x" * reading.LONGEST + "'",
        "select " + "1 + " * 400 + "1",
        "select x from a where x in (" + "1," * 32_000 + "1)",
        "select " + "case when x then " * 300 + "1" + " end" * 300 + " from a",
    ],
    Wall.AGREEMENT: [
        "select ?",
        "select * from a where x = ? and y = ?",
    ],
}

HONEST = [
    "select 1",
    "select * from a;",
    "from a select x",
    "table a",
    "select a.* exclude (x) from a",
    "select sum(x) as total from a where x >= $low and day < $day and segment = $segment",
    "with c as (select x from a), d as (select x from c) select * from d union all select x from b",
    "with C as materialized (select x, count(*) as n from a group by all) select n from c",
    "select distinct x from a order by x limit 3 offset 1",
    "select distinct on (x) x, y from a order by x, y",
    "select case when x > 1 then 'a' else 'b' end, if(x, 1, 2), coalesce(x, y) from a",
    "select x::decimal(12,2), try_cast(y as bigint), date '2026-01-01', interval 3 day from a",
    "select x::timestamptz, x::uuid, x::hugeint, x::blob, timestamp '2026-01-01 10:00:00' from a",
    "select count(distinct x), sum(x) filter (where y > 0), avg(x), median(x), stddev(x) from a",
    "select quantile_cont(x, 0.5), percentile_cont(0.9) within group (order by x) from a",
    "select row_number() over (order by y desc nulls last) from a",
    "select lag(x) over w, rank() over w from a window w as (partition by z order by y)",
    "select sum(x) over (partition by y), avg(x) over (order by y rows 2 preceding) from a",
    "select x from a qualify row_number() over (partition by x order by y) = 1",
    "select grouping(x), x, sum(z) from a group by grouping sets ((x), (y), ())",
    "select x, sum(z) from a group by rollup (x, y) having sum(z) > $low",
    "select round(x, 2), greatest(x, y), x % 2, x // 2, x ** 2, -x, ln(x), isnan(x) from a",
    "select lower(x) || '-' || upper(y), trim(both 'x' from y), substring(x from 1 for 2) from a",
    "select x like 'a%', x not ilike 'a!%' escape '!', x similar to 'a.*', x ~ 'a' from a",
    "select regexp_replace(x, 'a', 'b', 'g'), split_part(x, '-', 1), sha256(x) from a",
    "select x between 1 and 2, x not in (1, 2), x in (select y from b) from a",
    "select x is distinct from y, x is not null, nullif(x, y) from a",
    "select x = any (select y from b), x > all (select y from b), not x, x is true from a",
    "select extract(year from x), date_trunc('month', x), date_diff('day', x, y) from a",
    "select strftime(x, '%Y-%m'), x + interval 1 day, x at time zone 'UTC' from a",
    "select * from a left join b on a.x = b.x cross join a as c",
    "select * from a semi join b using (x) natural join b as d",
    "select * from a asof join b on a.x = b.x and a.day >= b.day",
    "select * from a, lateral (select max(y) as m from b where b.x = a.x) c",
    "select * from a join (values (1, 'one'), (2, 'two')) as v(x, name) using (x)",
    'select x as "odd ) name" from a as "T T" where "T T".x = \'it\'\'s ( here\'',
    "select x from a -- with ; and '\nwhere y = 1 /* and ( [ { */",
    "select $$dollar ' quotes$$, 1e3, 1_000, true, null",
    "select x from a where x <> 1" + " and x <> 1" * 300,
    "select x from a where x in (" + "1," * 5000 + "1)",
    "select '((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((' from a",
]


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with statement.parser() as connection:
        yield connection


BY_WALL = [
    pytest.param(wall, program, id=f"{wall.value}: {program[:60]}")
    for wall, programs in HOSTILE.items()
    for program in programs
]


@pytest.mark.parametrize(("wall", "program"), BY_WALL)
def test_a_hostile_program_is_refused_by_its_wall(
    duck: duckdb.DuckDBPyConnection, wall: Wall, program: str
) -> None:
    with pytest.raises(PolicyRefused) as caught:
        statement.check(duck, program, INPUTS, PARAMETERS)

    assert str(caught.value).startswith(f"program: {wall.value}")


@pytest.mark.parametrize("program", HONEST, ids=lambda program: str(program)[:60])
def test_an_honest_program_passes(duck: duckdb.DuckDBPyConnection, program: str) -> None:
    statement.check(duck, program, INPUTS, PARAMETERS)


def test_the_parameters_that_a_program_uses_are_known(duck: duckdb.DuckDBPyConnection) -> None:
    used = statement.check(duck, "select $low, $low, $day", INPUTS, PARAMETERS)

    assert used == {"low", "day"}
