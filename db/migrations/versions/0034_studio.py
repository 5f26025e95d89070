"""What a studio keeps of a video beside what its ingest made, and channels that are taken away again."""

from alembic import op

revision = "0034"
down_revision = "0044"

KINDS = """
ALTER TABLE public.video_files DROP CONSTRAINT video_files_kind_check, ADD CONSTRAINT video_files_kind_check CHECK (
    kind IN ('source', 'ladder', 'mp4', 'poster', 'transcript', 'captions_vtt', 'captions_srt',
             'export', 'thumbnail', 'speaker_image'));
GRANT DELETE ON public.youtube_channels TO askstephen_jobs;
"""


def upgrade() -> None:
    op.execute(KINDS)
