"""Databases of the earlier generations, filled; and what tells whether a row or a value of one was lost."""

from dataclasses import dataclass
from pathlib import Path

import psycopg

DATA = Path(__file__).parents[2] / "data" / "generations"
ROWS = 2000
PRODUCTION_WORDS = {
    ("videos", "status"): ["uploading", "ready", "captioning", "metadata_ready", "published", "error"],
    ("videos", "confidentiality_status"): ["pending", "pass", "warn", "fail"],
    ("video_ingest_requests", "status"): ["queued", "downloading", "done", "error"],
    ("video_ingest_requests", "provider"): ["dropbox", "gdrive"],
}
REPLIT_WORDS = {
    ("users", "role"): ["superadmin", "admin", "creative", "search", "pickone", "user"],
    ("videos", "status"): ["uploading", "transcribing", "generating_metadata", "ready_to_edit", "published", "failed"],
    ("videos", "confidentiality_status"): ["pending", "checking", "clear", "flagged", "error"],
    ("video_ingest_requests", "status"): ["queued", "downloading", "ready", "failed", "cancelled"],
    ("video_ingest_requests", "provider"): ["dropbox", "google_drive"],
}
WORDS = {
    "privacy_status": ["public", "private", "unlisted"],
    "overall_status": ["clear", "flagged"],
    "is_active": ["true", "false"],
    "email_status": ["unknown", "valid", "invalid"],
    "business_type": ["ideal_customer", "competitor"],
    "category": ["PRIMARY", "SECONDARY"],
    "potential_value": ["Low", "High"],
    "severity": ["low", "medium", "high"],
    "schedule_type": ["interval", "weekly", "monthly"],
    "section": ["core_values", "time_audit"],
    "source": ["website", "youtube", "listing"],
    "platform": ["youtube"],
    "provider": ["dropbox", "google_drive"],
    "business_area": ["overall", "marketing"],
    "change_type": ["added", "removed", "changed"],
}
STATUSES = {
    "confidentiality_checks": ["pending", "running", "completed", "error"],
    "workbook_progress": ["in_progress", "completed", "archived"],
    "leads_searches": ["pending", "running", "completed", "error"],
    "leads_swot_analyses": ["pending", "generating", "completed", "error"],
    "business_leads": ["new", "contacted", "qualified", "converted", "lost"],
}
DRAFTS = ["draft", "complete"]  # of the workbook's tables
ROLES = {"messages": ["user", "assistant"], "company_memberships": ["owner", "admin", "member"]}


@dataclass(frozen=True)
class Generation:
    """How one is made: files run before the rows are there, and after."""

    files: tuple[str, ...]
    tables: int
    words: dict[tuple[str, str], list[str]]
    then: tuple[str, ...] = ()


GENERATIONS = {
    "production": Generation(("replit", "production"), 18, PRODUCTION_WORDS),
    "production with checks": Generation(("replit", "production", "checked"), 18, PRODUCTION_WORDS),
    "replit": Generation(("replit",), 28, REPLIT_WORDS),
    "live copy": Generation(("replit", "oauth"), 30, REPLIT_WORDS),
    "older names": Generation(("replit", "oauth"), 30, REPLIT_WORDS, ("older",)),
}


def build(url: str, name: str, *, rows: int = ROWS) -> None:
    """Make the generation of this name in an empty database."""
    made = GENERATIONS[name]
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for file in made.files:
            connection.execute((DATA / f"{file}.sql").read_text())
        if rows:
            fill(connection, made.words, rows)
        for file in made.then:
            connection.execute((DATA / f"{file}.sql").read_text())


def fill(connection: psycopg.Connection, words: dict[tuple[str, str], list[str]], rows: int) -> None:
    """The same rows every time, each table after those that it refers to."""
    columns = connection.execute("""
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval%', false),
               NOT a.attnotnull AND d.adbin IS NULL,
               (SELECT confrelid::regclass::text FROM pg_constraint k WHERE contype = 'f' AND conrelid = c.oid AND conkey = ARRAY[a.attnum] LIMIT 1)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (c.oid, attnum)
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND attnum > 0 AND NOT attisdropped ORDER BY c.oid, attnum
    """).fetchall()
    tables: dict[str, list[tuple]] = {}
    for table, *column in columns:
        tables.setdefault(table, []).append(tuple(column))
    for table, described in tables.items():
        wanted = [column for column in described if not column[2]]
        values = [
            f"CASE WHEN i % 13 <> 12 THEN {value} END" if may_lack and not refers else value
            for name, kind, _, may_lack, refers in wanted
            for value in [value_of(table, name, kind, refers, words, rows)]
        ]
        names = ", ".join(f'"{column[0]}"' for column in wanted)
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM generate_series(1, {rows}) i")
    connection.execute("ANALYZE")


def value_of(table: str, name: str, kind: str, refers: str | None, words: dict, rows: int) -> str:
    """An expression of `i` that is the same every time; null now and then where rows really have nothing."""
    owners = min(97, rows)
    if refers == "users":
        return f"'user_' || lpad((i % {owners})::text, 6, '0')"
    if name == "id":
        return "'user_' || lpad((i - 1)::text, 6, '0')"
    if refers:
        return "i"  # which is the same owner's
    if (
        allowed := words.get((table, name))
        or WORDS.get(name)
        or {"status": STATUSES, "role": ROLES}.get(name, {}).get(table, DRAFTS if name == "status" else None)
    ):
        chosen = f"(ARRAY[{', '.join(repr(word) for word in allowed)}])[1 + i % {len(allowed)}]"
        return f"({chosen})::{kind}"
    fixed = {
        "parent_video_id": f"CASE WHEN i % 5 = 0 AND i > {owners} THEN i - {owners} END",
        "last_confidentiality_check_id": "nullif(i % 7, 0)",
        "transcript": "repeat('What was said, “word” by word, in film ' || i || E'.\\n', 1 + i % 150)",
    }
    if name in fixed:
        return fixed[name]
    seed = f"md5('{table}.{name}.' || i)"
    return {
        "integer": f"('x' || left({seed}, 6))::bit(24)::int",
        "bigint": f"('x' || left({seed}, 12))::bit(48)::bigint",
        "boolean": "i % 3 = 0",
        "jsonb": f"jsonb_build_object('id', {seed}, 'startTime', '00:01:02', 'confidence', i / 7.0, 'reason', 'naïve “quote” \\ ' || i)",
        "text[]": f"ARRAY[{seed}, 'a,\"b\"', NULL]",
        "timestamp without time zone": "timestamp '2024-03-10 02:30:00.123456' + i * interval '37 minutes'",
        "timestamp with time zone": "timestamptz '2024-11-03 01:30:00-04' + i * interval '41 minutes'",
    }.get(kind, f"'{name} ' || i || E' — ünï|\\t\\n' || {seed}")


def checksums(url: str, columns: dict[str, list[str]] | None = None) -> dict[str, tuple]:
    """Of each table its rows' number and a hash of every value; only of `columns` where given."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True, options="-c timezone=UTC") as connection:
        return {
            table: connection.execute(
                f"SELECT count(*), md5(string_agg(r, '' ORDER BY r)) FROM (SELECT md5(ROW({', '.join(names)})::text) r FROM public.{table}) t"
            ).fetchone()
            for table, names in (columns or columns_of(url)).items()
        }


def columns_of(url: str) -> dict[str, list[str]]:
    """Every column of every table of `public`."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        found = connection.execute("""
            SELECT relname, array_agg(quote_ident(attname) ORDER BY attnum) FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped GROUP BY relname ORDER BY relname
        """)
        return dict(found.fetchall())
