"""The bundled sample on the first start."""

from db import users, videos
from db.engine import Database
from pipelines import ingest
from pipelines.providers.folder import list_videos
from pipelines.providers.sample import SAMPLES

TALK = "talk.mp4"


def take_sample(database: Database) -> None:
    """Take the sample in where there is no video, and it was not taken (and perhaps removed) before."""
    file = next(file for file in list_videos(SAMPLES) if file.path == TALK)
    with database.jobs() as session:
        owner = users.ensure_local_owner(session)
    with database.tenant(owner) as session:
        if videos.list_videos(session, limit=1) or videos.list_seen_versions(session, "sample"):
            return
        source = videos.Source("sample", file.path, file.name, size_bytes=file.size_bytes, version=file.version)
        ingest.start(session, source, user_id=owner)
