"""How long the runs of a step take: a mean over the last few hundred, kept by whoever ran them."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Double, Integer, Text

_KEEP = text("""
INSERT INTO jobs.step_times AS t (pipeline, step, mean_seconds, runs)
SELECT * FROM unnest(:pipelines, :steps, :means, :runs)
ON CONFLICT (pipeline, step) DO UPDATE SET measured_at = now(), runs = t.runs + excluded.runs,
    mean_seconds = (t.mean_seconds * least(t.runs, 200) + excluded.mean_seconds * excluded.runs) / (least(t.runs, 200) + excluded.runs)
""").bindparams(
    bindparam("pipelines", type_=ARRAY(Text)),
    bindparam("steps", type_=ARRAY(Text)),
    bindparam("means", type_=ARRAY(Double)),
    bindparam("runs", type_=ARRAY(Integer)),
)


def keep_times(session: Session, runs: Mapping[tuple[str, str], tuple[int, float]]) -> None:
    """Add runs of (pipeline, step): how many there were, and the seconds that they took together."""
    ordered = sorted(runs.items())  # rows are locked in one order everywhere
    session.execute(
        _KEEP,
        {
            "pipelines": [pipeline for (pipeline, _), _ in ordered],
            "steps": [step for (_, step), _ in ordered],
            "means": [seconds / count for _, (count, seconds) in ordered],
            "runs": [count for _, (count, _) in ordered],
        },
    )
