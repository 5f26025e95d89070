"""The pipeline `competitor_diff`: a competitor's page or channel is read, and what changed is kept."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Invalid
from core.guard import check_url
from core.settings import settings
from db import schedules, watched
from db.base.competitors import SnapshotSource
from db.leads.found import get_lead
from db.schedule_rules import Rule, RuleKind
from pipelines.base import Pipeline, Unique, enqueue
from pipelines.steps.compete import find_changes, look

_CHANNEL = re.compile(r"(?:https?://(?:www\.|m\.)?youtube\.com/channel/)?(UC[\w-]{22})(?:[/?#].*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CompetitorDiff:
    """A row of `competitors`."""

    competitor_id: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a competitor is read."""

    competitor_key: str
    source: SnapshotSource
    url: str
    name: str


def page(url: str, *, name: str | None = None) -> Place:
    """A page, or the channel of YouTube that the URL is of. Raises Refused."""
    if _CHANNEL.fullmatch(url):
        return channel(url, name=name)
    check_url(url)
    return Place(f"url:{url}", SnapshotSource.WEBSITE, url, name or urlsplit(url).hostname or url)


def channel(channel_id: str, *, name: str | None = None) -> Place:
    """A channel by its id (UC…) or its address: its feed is read, which tells the fifteen newest videos. Raises Invalid."""
    match = _CHANNEL.fullmatch(channel_id)
    if match is None:
        raise Invalid("a channel is named by its id, which begins with UC, or by its address youtube.com/channel/UC…")
    url = settings().youtube_feed_url.format(channel=match[1])
    return Place(f"channel:{match[1]}", SnapshotSource.YOUTUBE, url, name or match[1])


def lead(session: Session, lead_id: int) -> Place:
    """The website of a business that a search found. Raises NotFound, Invalid, Refused."""
    row = get_lead(session, lead_id)
    if not row["website"]:
        raise Invalid(f"{row['title']} has no website that is known")
    url = row["website"] if "://" in row["website"] else f"https://{row['website']}"
    check_url(url)
    return Place(f"lead:{lead_id}", SnapshotSource.WEBSITE, url, row["title"])


def watch(
    session: Session, client_id: int, place: Place, *, user_id: str, days: int = 1, hour: int = 6, zone: str = "UTC"
) -> tuple[RowMapping, UUID]:
    """Read a competitor now and every `days` days from now on: row, schedule and first job in the caller's transaction.

    Raises NotFound, Conflict when it is watched already, Invalid.
    """
    row = watched.insert_competitor(
        session,
        client_id,
        competitor_key=place.competitor_key,
        source=place.source,
        url=place.url,
        name=place.name,
        user_id=user_id,
    )
    rule = Rule(RuleKind.INTERVAL, days=days, hour=hour, minute=row["id"] % 60)  # not all at the same minute
    schedule = schedules.insert(
        session,
        owner_id=user_id,
        pipeline="competitor_diff",
        args={"competitor_id": row["id"]},
        rule=rule,
        zone=zone,
        subject=subject(row["id"]),
    )
    watched.keep_schedule(session, row["id"], schedule["id"])
    return watched.get_competitor(session, row["id"]), read_now(session, row["id"], user_id=user_id)


def read_now(session: Session, competitor_id: int, *, user_id: str) -> UUID:
    """The job that reads it; the one that is at it already, if there is one. Raises NotFound."""
    watched.get_competitor(session, competitor_id)
    return enqueue(
        session, "competitor_diff", {"competitor_id": competitor_id}, owner_id=user_id, subject=subject(competitor_id)
    )


def leave(session: Session, competitor_id: int) -> None:
    """Watch it no longer. Its readings and changes stay. Raises NotFound, Forbidden."""
    schedule_id = watched.get_competitor(session, competitor_id)["schedule_id"]
    watched.delete_competitor(session, competitor_id)
    if schedule_id is not None:
        schedules.delete(session, schedule_id)


def subject(competitor_id: int) -> str:
    """What its jobs are about."""
    return f"competitor:{competitor_id}"


PIPELINE = Pipeline("competitor_diff", CompetitorDiff, (look, find_changes.after(look)), unique=Unique(by=("competitor_id",)))
