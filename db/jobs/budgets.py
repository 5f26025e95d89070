"""Quota budgets: what all workers together may spend on a provider's calls until its clock strikes.

A budget is named by its provider; one that counts certain calls apart has a name of its own behind a dot, as `youtube.insert`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import DateTime, Text

from core.errors import Invalid, Snoozed
from db.jobs.breakers import wake


class Per(StrEnum):
    """How long a budget has to last: until the next full one of these."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Budget:
    """So many units per day of this zone's clock, or another span; `spent` are those of the present one."""

    name: str
    per: Per
    units: int
    zone: str
    spent: int
    resets_at: datetime

    @property
    def provider(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Spend:
    """Units that were taken from a budget, with the resets of each of its spans."""

    name: str
    units: int
    resets: Sequence[tuple[Per, datetime]]


# Where the reset has passed nothing is spent yet, and the next one counts.
_PRESENT = """
CASE WHEN resets_at > now() THEN spent ELSE 0 END AS spent,
CASE WHEN resets_at > now() THEN resets_at ELSE jobs.next_reset(per, zone, now()) END AS resets_at
"""
# The rows are locked before they are looked at, so that each spender sees what the one before left.
_SPEND = text(f"""
WITH budget AS MATERIALIZED (
    SELECT per, units, {_PRESENT} FROM jobs.budgets WHERE name = :name ORDER BY per FOR UPDATE),
taken AS (
    UPDATE jobs.budgets b SET spent = budget.spent + :units, resets_at = budget.resets_at
    FROM budget WHERE b.name = :name AND b.per = budget.per
      AND NOT EXISTS (SELECT 1 FROM budget WHERE spent + :units > units))
SELECT per, units, spent, resets_at, resets_at - now() AS wait, spent + :units > units AS is_short FROM budget
""")  # noqa: S608  (a constant)
_REFUND = text("""
UPDATE jobs.budgets b SET spent = greatest(0, b.spent - :units) FROM unnest(:pers, :resets) s(per, resets_at)
WHERE b.name = :name AND b.per = s.per AND b.resets_at = s.resets_at
""").bindparams(bindparam("pers", type_=ARRAY(Text)), bindparam("resets", type_=ARRAY(DateTime(timezone=True))))


def spend(session: Session, name: str, units: int) -> Spend:
    """Take units from a budget before the call that costs them; what has no budget costs nothing.

    Raises Snoozed until the reset when fewer are left, and takes none then.
    """
    if units <= 0:
        raise Invalid(f"a call costs 1 unit or more, not {units}")
    spans = session.execute(_SPEND, {"name": name, "units": units}).all()
    short = [span for span in spans if span.is_short]
    if short:
        last = max(short, key=lambda span: span.resets_at)
        raise Snoozed(_too_little(name, units, last), delay=last.wait)
    return Spend(name, units, [(Per(span.per), span.resets_at) for span in spans])


def _too_little(name: str, units: int, span: Row[tuple[object, ...]]) -> str:
    left = f"{max(0, span.units - span.spent)} of {span.units} units are left of {name} this {span.per}"
    return f"{left}, and {units} are needed; it starts anew at {span.resets_at:%Y-%m-%d %H:%M} UTC"


def refund(session: Session, spent: Spend) -> None:
    """Give back what was taken for a call that was not made; what was taken before the last reset is gone."""
    pers, resets = [per.value for per, _ in spent.resets], [resets_at for _, resets_at in spent.resets]
    session.execute(_REFUND, {"name": spent.name, "units": spent.units, "pers": pers, "resets": resets})


_SET = text("""
INSERT INTO jobs.budgets (name, per, units, zone) VALUES (:name, :per, :units, :zone)
ON CONFLICT (name, per) DO UPDATE SET units = excluded.units, zone = excluded.zone
""")


def set_budget(session: Session, name: str, per: Per, units: int | None, *, zone: str = "UTC") -> None:
    """Hold from now on, or with None no longer; what was spent counts until the reset that was due. Raises Invalid."""
    if units is None:
        session.execute(text("DELETE FROM jobs.budgets WHERE name = :name AND per = :per"), {"name": name, "per": per})
    elif units < 0:
        raise Invalid("a budget is 0 or more units")
    elif session.execute(text("SELECT 1 FROM pg_timezone_names WHERE name = :zone"), {"zone": zone}).first() is None:
        raise Invalid(f"there is no time zone {zone!r}; it has a name such as America/Los_Angeles")
    else:
        session.execute(_SET, {"name": name, "per": per, "units": units, "zone": zone})
    wake(session, name.partition(".")[0])


def list_budgets(session: Session) -> list[Budget]:
    """Every budget with what is spent of it."""
    statement = text(f"SELECT name, per, units, zone, {_PRESENT} FROM jobs.budgets ORDER BY name, per")  # noqa: S608  (a constant)
    rows = session.execute(statement).mappings()
    return [Budget(**{**row, "per": Per(row["per"])}) for row in rows]
