"""The words a program may use: whatever is not here is refused.

Left out on purpose:
- what reaches outside of the inputs: files, settings, other SQL, catalogs, the environment, logs;
- what differs from run to run: clocks, random numbers, and whatever depends on the order of rows
  (`first`, `any_value`, `mode`, `arg_max`, `list`, `string_agg`) or estimates (`approx_...`);
- what makes much of little: `repeat`, `lpad`, `range`, `unnest`, `format`;
- what fails with a text that the program chooses: `error`.
"""

OPERATORS = frozenset(
    "+ - * / // % ^ ** & | ~ << >> || ~~ !~~ ~~* !~~* ~~~ ^@ xor".split()  # noqa: SIM905
)
_NUMBERS = """
    abs acos asin atan atan2 ceil ceiling cos degrees exp floor greatest isfinite isinf isnan least
    ln log log10 log2 mod pi pow power radians round round_even sign sin sqrt tan trunc
"""
_TEXT = """
    ascii chr concat concat_ws contains ends_with ilike_escape instr lcase left length levenshtein
    like_escape lower ltrim md5 nfc_normalize not_ilike_escape not_like_escape position prefix
    regexp_extract regexp_full_match regexp_matches regexp_replace replace reverse right rtrim
    sha256 split_part starts_with strip_accents strlen strpos substr substring suffix translate
    trim ucase upper
"""
_TIMES = """
    date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
    dayofmonth dayofweek dayofyear epoch hour isodow isoyear last_day make_date make_timestamp
    minute month monthname quarter second strftime strptime time_bucket timezone to_days to_hours
    to_minutes to_months to_seconds to_weeks to_years try_strptime week weekday weekofyear year
"""
_AGGREGATES = """
    avg bool_and bool_or corr count count_if count_star covar_pop covar_samp kahan_sum max mean
    median min quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp sum var_pop var_samp
    variance
"""
AGGREGATES = frozenset(_AGGREGATES.split())
FUNCTIONS = (
    OPERATORS
    | AGGREGATES
    | frozenset((_NUMBERS + _TEXT + _TIMES).split())
    | {"nullif", "constant_or_null"}
)
ORDERED = frozenset(
    {
        *("cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value"),
        *("ntile", "percent_rank", "rank", "row_number"),
    }
)
"""Window functions, which say nothing that is the same twice without an ORDER BY."""

NOT_COLUMNS = frozenset(
    {
        *("current_catalog", "current_date", "current_role", "current_schema", "current_time"),
        *("current_timestamp", "current_user", "localtime", "localtimestamp", "session_user"),
        *("user", "rowid"),
    }
)
"""What looks like a column, and is a clock, a user or a place where no column has that name."""

TYPES = frozenset(
    {
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT"),
        *("USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "BLOB"),
        *("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID", "INTERVAL", "NULL"),
    }
)
"""Types of constants and casts, as DuckDB names them in its trees."""
