"""Makes a thumbnail: the poster's frame with a few words on it."""

import re
import shutil

from core.errors import Refused
from db import publishing, videos
from db.videos import FileKind
from pipelines.base import step
from pipelines.context import Context
from pipelines.drafts.words import shortened
from pipelines.providers import ffmpeg, picture
from pipelines.steps.clip import stored

_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]{2,80})[\"“”»]")
_LONGEST_WORDS = 80


def words_on(prompt: str, title: str) -> str:
    """What is written on it: what the prompt has in quotes, else the video's title. The rest of the prompt needs a painter."""
    quoted = _QUOTED.search(prompt)
    return shortened(quoted[1] if quoted else title, _LONGEST_WORDS)


@step(queue="io", max_attempts=3)
def draw(ctx: Context) -> object:
    """Draw it over the poster, or over a frame of the film where there is none."""
    video_id, prompt = ctx.args["video_id"], ctx.args["prompt"]
    with ctx.read() as session:
        video = videos.get_video(session, video_id)
        files, film = videos.list_files(session, video_id), publishing.find_film(session, video)
    if FileKind.POSTER in files:
        frame = ctx.storage.local(files[FileKind.POSTER]["key"])
    elif film is not None:
        frame, whole = ctx.folder / "frame.jpg", ctx.folder / "film.mp4"
        shutil.copyfile(ctx.storage.local(film["key"]), whole)  # no link: the child may write in this folder
        ffmpeg.make_poster(ctx.run, whole, whole, (video["duration_ms"] or 0) / 1000, frame)
    else:
        raise Refused("This video has no film yet that a thumbnail could be made of.")
    target = ctx.folder / "thumbnail.jpg"
    picture.draw_thumbnail(ctx.run, frame, words_on(prompt, video["title"] or video["original_filename"]), target)
    made = stored(ctx, FileKind.THUMBNAIL, target.name, {"prompt": prompt[:2000]})
    url = f"/media/videos/{video_id}/thumbnail?v={made.sha256[:8]}"
    with ctx.complete({"url": url}) as session:
        videos.keep_files(session, video_id, [made])
        videos.update_video(session, video_id, thumbnail_url=url)
    return None
