"""Makes what is said in videos findable: passages by their words, and by meaning where a model for it is configured."""

import dataclasses

from core.errors import Refused
from core.settings import settings
from db import passages
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.language.embeddings import AT_ONCE, find_embedder
from pipelines.steps.words import load_transcript
from pipelines.transcript.passages import Passage, make_passages


@step(queue="io", optional=True)
def index(ctx: Context) -> object:
    """Cut the transcript of one video into passages."""
    video_id = ctx.args["video_id"]
    cut = make_passages(load_transcript(ctx, video_id))
    result = {"passages": len(cut)}
    with ctx.complete(result) as session:
        passages.replace_passages(session, video_id, _rows(cut))
    return result


@step(queue="io", optional=True)
def embed(ctx: Context) -> object:
    """Place the passages of one video by meaning."""
    return {"placed": _place(ctx, ctx.args["video_id"])}


@step(queue="io")
def index_old(ctx: Context) -> object:
    """Cut every video of the owner that has words and no passages. Goes on where a lost worker was."""
    done, after = 0, int(ctx.last_checkpoint or 0)
    while True:
        with ctx.read() as session:
            video_ids = passages.list_unindexed(session, after=after)
        if not video_ids:
            return {"videos": done}
        for video_id in video_ids:
            ctx.progress(None, f"{done} videos indexed")
            try:
                cut = make_passages(load_transcript(ctx, video_id))
            except Refused:
                cut = []  # its captions hold no words
            if cut:
                with ctx.write() as session:
                    passages.replace_passages(session, video_id, _rows(cut))
                done += 1
            after = video_id
        ctx.checkpoint(after)


@step(queue="io", optional=True)
def embed_old(ctx: Context) -> object:
    """Place by meaning whatever passages of the owner are not, or were by another model."""
    return {"placed": _place(ctx, None)}


def _place(ctx: Context, video_id: int | None) -> int:
    """A batch of passages after the other; each is kept before the next is asked for, so that nothing is paid for twice."""
    embedder = find_embedder(settings())
    if embedder is None:
        return 0
    ctx.calls(embedder.provider)
    placed, label = 0, embedder.label(embedder.embed(["size"])[0])
    while True:
        ctx.progress(None, f"{placed} passages placed by meaning")
        with ctx.read() as session:
            rows = passages.list_unplaced(session, label, video_id=video_id, limit=AT_ONCE)
        if not rows:
            return placed
        ctx.spend(embedder.provider)
        vectors = embedder.embed([row["text"] for row in rows])
        with ctx.write() as session:
            passages.place_passages(session, {row["id"]: vector for row, vector in zip(rows, vectors, strict=True)}, label)
        placed += len(rows)


def _rows(cut: list[Passage]) -> list[dict[str, object]]:
    return [dataclasses.asdict(one) for one in cut]
