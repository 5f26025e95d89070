"""SQL that migrations share: who may see and change rows. Frozen: migrations that have run used it as it is; write a new one beside it."""

from collections.abc import Iterator, Mapping

# In parentheses with SELECT, so that they are worked out once for a statement and not for every row.
ME = "(SELECT nullif(current_setting('app.user_id', true), ''))"
MINE = "(SELECT jobs.my_companies('{owner,admin,member}'))::integer[]"  # companies I belong to
RUN_BY_ME = "(SELECT jobs.my_companies('{owner,admin}'))::integer[]"


def readable(row: str) -> str:
    """I wrote it, or it belongs to a company of mine."""
    return f"{row}.user_id = {ME} OR {row}.company_id = ANY ({MINE})"


def changeable(row: str) -> str:
    """I wrote it for myself, or it belongs to a company that I (still) belong to."""
    return f"({row}.user_id = {ME} AND {row}.company_id IS NULL) OR {row}.company_id = ANY ({MINE})"


def removable(row: str) -> str:
    """I wrote it and may still change it, or it belongs to a company that I run."""
    return f"({row}.user_id = {ME} AND ({changeable(row)})) OR {row}.company_id = ANY ({RUN_BY_ME})"


def owned(
    table: str,
    *,
    parents: Mapping[str, str] | None = None,
    only_if: str = "true",
    nobodys_for_all: bool = False,
    members_change: bool = True,
) -> Iterator[str]:
    """Let rows with `user_id` and `company_id` be read and written by those who may.

    `parents` are columns with the tables they name rows of. Such a row must be visible to who writes: the foreign key itself looks
    past policies. `only_if` must hold of what is written besides. Rows without a user are nobody's, or for all to read. What members of the
    company may not change, who wrote it and who runs the company may.
    """
    row = f"public.{table}"
    allowed = only_if + "".join(
        f" AND ({table}.{column} IS NULL OR EXISTS (SELECT 1 FROM public.{parent} p WHERE p.id = {table}.{column}))"
        for column, parent in (parents or {}).items()
    )
    new = f"{table}.user_id = {ME} AND ({table}.company_id IS NULL OR {table}.company_id = ANY ({MINE}))"
    seen = readable(table) + (f" OR {table}.user_id IS NULL" if nobodys_for_all else "")
    changed = changeable(table) if members_change else removable(table)
    yield f"CREATE INDEX {table}_by_company ON {row} (company_id, id DESC) WHERE company_id IS NOT NULL"
    yield from _row_level_security(table)
    yield f"CREATE POLICY seen ON {row} FOR SELECT TO askstephen_tenant USING ({seen})"
    yield f"CREATE POLICY written ON {row} FOR INSERT TO askstephen_tenant WITH CHECK (({new}) AND {allowed})"
    yield (
        f"CREATE POLICY changed ON {row} FOR UPDATE TO askstephen_tenant USING ({changed})"
        f" WITH CHECK (({changed}) AND {allowed})"
    )
    yield f"CREATE POLICY removed ON {row} FOR DELETE TO askstephen_tenant USING ({removable(table)})"
    yield from keep_owner(table, "user_id")


def part_of(table: str, column: str, parent: str) -> Iterator[str]:
    """Let rows be read by who may read the parent's row that `column` names, and written by who may change it."""
    row = f"public.{table}"
    # The parent's own policies hold inside the subquery.
    seen = f"EXISTS (SELECT 1 FROM public.{parent} p WHERE p.id = {table}.{column})"
    changed = f"EXISTS (SELECT 1 FROM public.{parent} p WHERE p.id = {table}.{column} AND ({changeable('p')}))"
    yield from _row_level_security(table)
    yield f"CREATE POLICY seen ON {row} FOR SELECT TO askstephen_tenant USING ({seen})"
    yield f"CREATE POLICY written ON {row} FOR INSERT TO askstephen_tenant WITH CHECK ({changed})"
    yield f"CREATE POLICY changed ON {row} FOR UPDATE TO askstephen_tenant USING ({changed}) WITH CHECK ({changed})"
    yield f"CREATE POLICY removed ON {row} FOR DELETE TO askstephen_tenant USING ({changed})"


def _row_level_security(table: str) -> Iterator[str]:
    yield f"DROP POLICY IF EXISTS own ON public.{table}"
    yield f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.{table} TO askstephen_tenant"


def keep_owner(table: str, column: str) -> Iterator[str]:
    """Let nobody hand a row to somebody else: it would appear among the other's own."""
    yield (
        f"CREATE TRIGGER keep_owner BEFORE UPDATE OF {column} ON public.{table} FOR EACH ROW"
        f" WHEN (OLD.{column} IS DISTINCT FROM NEW.{column} AND current_user = 'askstephen_tenant')"
        " EXECUTE FUNCTION public.keep_owner()"
    )


def keep_updated_at(table: str) -> Iterator[str]:
    """Let the database say when a row was written last."""
    yield (
        f"CREATE TRIGGER keep_updated_at BEFORE UPDATE ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.keep_updated_at()"
    )
