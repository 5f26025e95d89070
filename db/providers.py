"""How what steps call on the outside stands: one row for each provider that anything is known of."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import jobs
from db.jobs import Breaker, Budget, Scope


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One provider: its work, and what holds it back."""

    name: str
    running: int
    waiting: int
    most: int | None  # at once; None: no limit
    paused_at: datetime | None
    breakers: tuple[Breaker, ...]
    budgets: tuple[Budget, ...]


_COUNT = text("""
SELECT provider AS name, count(*) FILTER (WHERE status = 'running') AS running, count(*) FILTER (WHERE status <> 'running') AS waiting
FROM jobs.job_steps WHERE provider IS NOT NULL AND status IN ('queued', 'retrying', 'running') GROUP BY provider
""")


def list_providers(session: Session) -> list[ProviderStatus]:
    """Every provider that is called, limited, paused, budgeted or held back; for operators (the role of the job core)."""
    counts = {row.name: (row.running, row.waiting) for row in session.execute(_COUNT)}
    limits = {limit.name: limit.most for limit in jobs.list_limits(session) if limit.kind is Scope.PROVIDER}
    pauses = {pause.name: pause.paused_at for pause in jobs.list_pauses(session) if pause.kind is Scope.PROVIDER}
    breakers, budgets = jobs.list_breakers(session), jobs.list_budgets(session)
    known = {*counts, *pauses, *(one.provider for one in breakers), *(one.provider for one in budgets), *limits} - {"*"}
    return [
        ProviderStatus(
            name,
            *counts.get(name, (0, 0)),
            limits.get(name, limits.get("*")),
            pauses.get(name),
            tuple(one for one in breakers if one.provider == name),
            tuple(one for one in budgets if one.provider == name),
        )
        for name in sorted(known)
    ]
