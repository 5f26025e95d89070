import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.errors import Conflict, Refused
from core.settings import settings
from db import videos
from db.videos import FileKind
from pipelines import metadata as pipeline
from pipelines.drafts import edges, metadata, moments
from pipelines.steps.thumbnail import words_on
from pipelines.thumbnail import PIPELINE as THUMBNAIL
from tests.pipelines.studio.films import make_film, ready_video, row_of


def cues(*said: str, every_ms: int = 4000, first_ms: int = 0) -> list[dict]:
    return [
        {"startMs": first_ms + at * every_ms, "endMs": first_ms + (at + 1) * every_ms - 200, "text": text}
        for at, text in enumerate(said)
    ]


TALK = cues(
    "Good morning, and welcome to the bakery.",
    "Rye bread needs a sour starter.",
    "Feed the starter with rye flour twice a day.",
    "Why does rye bread stay fresh so long?",
    "The starter keeps rye bread fresh for a week.",
    "Thanks for watching.",
)


def test_a_draft_tells_of_what_is_said_most_in_its_own_words():
    made = metadata.by_rules(TALK, "IMG_0001")
    assert {"rye", "bread", "starter"} <= set(made.tags[:4]) | {"rye"}
    assert made.title in " ".join(cue["text"] for cue in TALK)
    assert "starter" in made.description
    assert made.hashtags[0].startswith("#")


def test_where_nothing_is_said_the_name_stands():
    assert metadata.by_rules([], "Opening day").title == "Opening day"


CUES = st.lists(
    st.tuples(st.integers(0, 10_000_000), st.integers(1, 9000), st.text(max_size=80)).map(
        lambda one: {"startMs": one[0], "endMs": one[0] + one[1], "text": one[2]}
    ),
    max_size=30,
).map(lambda many: sorted(many, key=lambda cue: cue["startMs"]))


@examples(max_examples=40)
@given(CUES, st.text(max_size=300))
def test_whatever_is_said_a_draft_fits(captions, name):
    made = metadata.by_rules(captions, name)
    assert len(made.title) <= 91
    assert len(made.tags) <= 12


@examples(max_examples=40)
@given(CUES, st.integers(0, 10_000_000))
def test_whatever_is_said_edges_lie_within_the_video(captions, duration_ms):
    for edge in (edges.find_start(captions, duration_ms), edges.find_end(captions, duration_ms)):
        assert 0 <= edge.confidence <= 1
        assert edge.reason
    end = edges.find_end(captions, duration_ms)
    assert end.ms is None or end.ms <= duration_ms


@examples(max_examples=40)
@given(CUES)
def test_whatever_is_said_proposed_clips_do_not_overlap(captions):
    made = sorted((one.start_sec, one.end_sec) for one in moments.by_rules(captions).clips)
    assert all(start < end for start, end in made)
    assert all(1 <= one.priority <= 10 for one in moments.by_rules(captions).clips)


@pytest.mark.parametrize(
    ("said", "first_ms", "start"),
    [
        (("Okay, is this recording?", "Good morning, I am Ada.", "Today we bake."), 0, 3700),
        (("Can you hear me?", "Let me just share my screen.", "Good morning, I am Ada.", "Today we bake."), 0, 7700),
        (("Good morning, I am Ada.", "Okay, is this right?"), 0, None),
        (("Good morning, I am Ada.", "Today we bake."), 6000, 5700),
        (("So let me show you how we bake.", "First the flour."), 0, None),
    ],
)
def test_content_starts_after_what_sets_the_recording_up(said, first_ms, start):
    filler = tuple("We bake more." for _ in range(12))
    assert edges.find_start(cues(*said, *filler, first_ms=first_ms), 80_000).ms == start


@pytest.mark.parametrize(
    ("said", "lasts_ms", "end"),
    [
        (("Thank you for watching.", "Okay, let me stop the recording."), 56_000, 52_000),
        (("Thank you for watching.",), 52_000, None),
        (("Thank you for watching.",), 60_000, 52_500),
    ],
)
def test_content_ends_before_what_ends_the_recording(said, lasts_ms, end):
    filler = tuple("We bake more." for _ in range(12))
    assert edges.find_end(cues(*filler, *said), lasts_ms).ms == end


def test_a_wish_brings_what_was_wished_for():
    talk = cues(
        *(f"Flour number {at} is milled and sifted slowly here." for at in range(12)),
        "The oven is hot and red.",
        "The oven glows.",
        "The oven sings.",
        "The oven rests.",
    )
    assert "oven" in moments.by_rules(talk, "something about the oven").clips[0].description


def test_metadata_is_drafted_and_the_video_is_ready_again(worker, database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film", captions=TALK, transcript=" ".join(cue["text"] for cue in TALK))
    with database.tenant(owner) as session:
        pipeline.start(session, video_id, user_id=owner)
    assert row_of(database, owner, video_id)["status"] == "generating_metadata"
    worker.drain()
    row = row_of(database, owner, video_id)
    assert (row["status"], "starter" in row["tags"]) == ("ready_to_edit", True)


def test_a_published_video_is_published_again_after_its_draft(worker, database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film", status="published")
    with database.tenant(owner) as session:
        first = pipeline.start(session, video_id, user_id=owner)
        assert pipeline.start(session, video_id, user_id=owner) == first
    worker.drain()
    assert row_of(database, owner, video_id)["status"] == "published"


def test_a_model_drafts_where_one_is_configured_and_its_words_are_kept_in_bounds(
    worker, database, storage, owner, twins, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    settings.cache_clear()
    twins.put(
        "openai.answers",
        "draft",
        {
            "match": "rye",
            "say": {
                "title": "R" * 400,
                "description": "How rye is baked.",
                "tags": ["rye"] * 100,
                "hashtags": ["#rye"],
                "sentiment": "positive",
                "thumbnail_prompt": "A loaf",
            },
        },
    )
    video_id = ready_video(database, storage, owner, b"film")
    with database.tenant(owner) as session:
        pipeline.start(session, video_id, user_id=owner)
    worker.drain()
    settings.cache_clear()
    twins.forget("openai.answers")
    row = row_of(database, owner, video_id)
    assert (row["status"], row["title"], row["description"]) == ("ready_to_edit", "R" * 100, "How rye is baked.")


def test_without_a_transcript_there_is_nothing_to_draft_from(database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film", transcript="", captions=[])
    with database.tenant(owner) as session, pytest.raises(Refused, match="no transcript"):
        pipeline.start(session, video_id, user_id=owner)
    video_id = ready_video(database, storage, owner, b"film", status="publishing")
    with database.tenant(owner) as session, pytest.raises(Conflict):
        pipeline.start(session, video_id, user_id=owner)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a loaf, with “Fresh daily” on it", "Fresh daily"),
        ('say "Rye"', "Rye"),
        ("a loaf", "Rye bread"),
        ("it's Ada's loaf", "Rye bread"),
    ],
)
def test_what_the_prompt_has_in_quotes_is_written(prompt, words):
    assert words_on(prompt, "Rye bread") == words


@pytest.mark.media
def test_a_thumbnail_is_drawn_over_a_frame_of_the_film(worker, database, storage, owner, tmp_path):
    from PIL import Image

    video_id = ready_video(database, storage, owner, make_film(tmp_path, seconds=1), title="Äpfel & Brot <script>" * 5)
    worker.perform(THUMBNAIL, {"video_id": video_id, "prompt": "loaf"})
    with database.tenant(owner) as session:
        made = videos.list_files(session, video_id)[FileKind.THUMBNAIL]
    with Image.open(storage.local(made["key"])) as picture:
        assert (picture.size, picture.format) == ((1280, 720), "JPEG")
        bright = sum(picture.crop((0, 400, 1280, 720)).convert("L").histogram()[240:])
    assert bright > 2000
    assert row_of(database, owner, video_id)["thumbnail_url"].startswith(f"/media/videos/{video_id}/thumbnail?v=")
