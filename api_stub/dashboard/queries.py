"""What the pages read beyond what the API reads: lists with their titles and counts. Every query runs as its owner."""

from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from db.base.rows import list_rows
from db.base.videos import videos

_WANTED = """
(CAST(:before AS uuid) IS NULL OR id < :before) AND (CAST(:subject AS text) IS NULL OR subject = :subject)
"""
# The id in a subject such as `video:9` is made a number, so that the primary key finds it.
_JOB = text(rf"""
SELECT j.id, j.pipeline, j.subject, j.status, j.error, j.created_at, j.finished_at, v.id AS video_id,
    coalesce(v.title, v.original_filename) AS title, s.ended, s.steps, s.share, s.doing
FROM (
    (SELECT *, CAST(NULL AS jsonb) AS archived_steps FROM jobs.jobs
        WHERE {_WANTED} AND (NOT :live OR finished_at IS NULL) ORDER BY id DESC LIMIT :limit)
    UNION ALL
    (SELECT j.*, a.steps
        FROM (SELECT job, steps FROM jobs.archived_jobs WHERE {_WANTED} AND NOT :live ORDER BY id DESC LIMIT :limit) a,
            jsonb_populate_record(CAST(NULL AS jobs.jobs), a.job) j)
) j
LEFT JOIN videos v ON v.id = CASE WHEN j.subject ~ '^video:[0-9]{{1,9}}$' THEN CAST(substr(j.subject, 7) AS integer) END
CROSS JOIN LATERAL (
    SELECT count(*) AS steps, count(*) FILTER (WHERE status = 'succeeded') AS ended,
        avg(CASE WHEN status = 'succeeded' THEN 1 WHEN status = 'running' THEN coalesce(progress, 0) ELSE 0 END) AS share,
        string_agg(coalesce(progress_message, name), ', ' ORDER BY claimed_at) FILTER (WHERE status = 'running') AS doing
    FROM (SELECT * FROM jobs.job_steps WHERE job_id = j.id
        UNION ALL SELECT * FROM jsonb_populate_recordset(CAST(NULL AS jobs.job_steps), j.archived_steps)) both_places
) s
ORDER BY j.id DESC LIMIT :limit
""")  # noqa: S608  (constants)
_VIDEOS = text("""
SELECT v.id, coalesce(v.title, v.original_filename) AS title, v.status, v.duration_ms, v.confidentiality_status, v.created_at,
    c.high_count, c.medium_count, c.low_count, f.sha256 AS poster
FROM videos v
LEFT JOIN confidentiality_checks c ON c.id = v.last_confidentiality_check_id
LEFT JOIN video_files f ON f.video_id = v.id AND f.kind = 'poster'
WHERE v.id = ANY(:ids) ORDER BY v.id DESC
""")


def list_jobs(
    session: Session, *, before: UUID | None = None, subject: str | None = None, live: bool = False, limit: int
) -> list[RowMapping]:
    """Newest first, from `before` (exclusive) on, with the title of the video; `share` of the steps' work is 0 to 1."""
    values = {"before": before, "subject": subject, "live": live, "limit": limit}
    return list(session.execute(_JOB, values).mappings())


def list_videos(session: Session, *, limit: int) -> list[RowMapping]:
    """Newest first, with the counts of the last check and the hash of the poster, if there are any."""
    ids = [video["id"] for video in list_rows(session, videos, limit=limit)]
    return list(session.execute(_VIDEOS, {"ids": ids}).mappings())


def find_titled(session: Session, subject: str | None) -> RowMapping | None:
    """Id and title of the video that is a job's subject, if there still is one."""
    kind, _, number = (subject or "").partition(":")
    if kind != "video" or not number.isdecimal():
        return None
    statement = text("SELECT id, coalesce(title, original_filename) AS title FROM videos WHERE id = :id")
    return session.execute(statement, {"id": int(number)}).mappings().one_or_none()


def find_provider(session: Session, video_id: int) -> str | None:
    """Where a video came from."""
    statement = text("SELECT provider FROM video_ingest_requests WHERE video_id = :id ORDER BY id DESC LIMIT 1")
    provider: str | None = session.scalar(statement, {"id": video_id})
    return provider
