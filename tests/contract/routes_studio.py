"""What becomes of a video: drafts, clips, thumbnails, publishing."""

from uuid import uuid4

from sqlalchemy import text

from db.base.accounts import UserRole, users
from db.base.videos import user_channels, videos, youtube_channels
from tests.contract.route import ADMINS, PUBLISHERS, Arguments, Route, World, keys
from tests.contract.routes_videos import VIDEO

CHANNEL = keys("id name")
CUES = [
    {"startMs": 0, "endMs": 1800, "text": "Okay, is this recording?"},
    {"startMs": 2000, "endMs": 12000, "text": "Good morning, today we bake rye bread."},
    {"startMs": 12200, "endMs": 24000, "text": "Why does rye bread stay fresh so long?"},
]


def a_talk(world: World, owner: str) -> Arguments:
    """A video with a film and what is said in it."""
    said = " ".join(cue["text"] for cue in CUES)
    video_id = world.insert(
        videos,
        owner,
        status="ready_to_edit",
        transcript=said,
        captions=CUES,
        duration_ms=30_000,
        parent_video_id=None,
        start_sec=None,
    )
    world.connection.execute(
        text("""
        INSERT INTO video_files (video_id, kind, key, size_bytes, sha256)
        VALUES (:id, 'mp4', :key, 1, '00')"""),
        {"id": video_id, "key": f"attempts/{uuid4().hex}/film.mp4"},
    )
    return {"video_id": video_id}


def a_silent_video(world: World, owner: str) -> Arguments:
    return {"video_id": world.insert(videos, owner, status="ready_to_edit", transcript=None, captions=None)}


def a_talk_with_a_channel(world: World, owner: str) -> Arguments:
    return {**a_talk(world, owner), "channel_id": a_default_channel(world, owner)}


def a_default_channel(world: World, owner: str) -> str:
    channel = world.insert(youtube_channels, owner, channel_id=f"UC{uuid4().hex}", title="Ours")
    world.insert(user_channels, owner, channel_id=channel, is_default=True)
    world.connection.execute(users.update().where(users.c.id == owner).values(default_channel_id=channel))
    return str(world.row(youtube_channels, channel)["channel_id"])


def a_talk_without_a_channel(world: World, owner: str) -> Arguments:
    world.connection.execute(users.update().where(users.c.id == owner).values(default_channel_id=None))
    world.connection.execute(user_channels.delete().where(user_channels.c.user_id == owner))
    return a_talk(world, owner)


def a_video_that_is_published_now(world: World, owner: str) -> Arguments:
    arguments = a_talk_with_a_channel(world, owner)
    world.connection.execute(videos.update().where(videos.c.id == arguments["video_id"]).values(status="publishing"))
    return arguments


def nothing(world: World, owner: str) -> Arguments:
    a_default_channel(world, owner)
    return {"video_id": 2**31 - 1}


def a_clip(world: World, owner: str) -> Arguments:
    arguments = a_talk(world, owner)
    world.insert(videos, owner, parent_video_id=arguments["video_id"])
    return arguments


def a_channel(world: World, owner: str) -> Arguments:
    return {"channel_id": a_default_channel(world, owner)}


def a_new_channel(world: World, owner: str) -> Arguments:
    return {"channel_id": f"UC{uuid4().hex}"}


def is_kept(world: World, arguments: Arguments, answer) -> None:
    assert answer.json()["suggestedStartMs"] == world.row(videos, arguments["video_id"])["suggested_start_ms"] == 1700


def is_being(status: str):
    def check(world: World, arguments: Arguments, answer) -> None:
        assert answer.json()["status"] == world.row(videos, answer.json()["id"])["status"] == status

    return check


def is_a_part(world: World, arguments: Arguments, answer) -> None:
    made = answer.json()
    assert (made["parentVideoId"], made["startSec"], made["endSec"]) == (arguments["video_id"], 2, 13)
    assert made["status"] == "uploading"  # ready_to_edit once its film is cut


def proposes_what_is_not_saved(world: World, arguments: Arguments, answer) -> None:
    [clip] = answer.json()["clips"]
    assert set(clip) == keys("startSec endSec title description hashtags sentiment priority reason")


def is_gone(world: World, arguments: Arguments, answer) -> None:
    listed = world.client.get("/api/admin/channels", headers=world.bearer(UserRole.ADMIN)).json()
    assert arguments["channel_id"] not in {channel["id"] for channel in listed}


AWAITED: set[str] = set()
V = "/api/videos/{video_id}"

ROUTES: list[Route] = [
    Route(
        method="POST",
        path=f"{V}/analyze-content-start",
        arrange=a_talk,
        keys=keys("suggestedStartMs reason confidence"),
        also=is_kept,
        others=404,
        refusals=((a_silent_video, 400),),
    ),
    Route(
        method="POST",
        path=f"{V}/analyze-content-end",
        arrange=a_talk,
        keys=keys("suggestedEndMs reason confidence shouldTrim"),
        others=404,
        refusals=((a_silent_video, 400),),
    ),
    Route(
        method="POST",
        path=f"{V}/generate-metadata",
        arrange=a_talk,
        keys=VIDEO,
        also=is_being("generating_metadata"),
        others=404,
        refusals=((a_silent_video, 400),),
    ),
    Route(
        method="POST",
        path=f"{V}/generate-thumbnail",
        arrange=a_talk,
        body={"prompt": "a loaf"},
        keys=keys("url"),
        others=404,
        bad=(({}, 400), ({"prompt": ""}, 400)),
    ),
    Route(method="GET", path=f"{V}/clips", arrange=a_clip, keys=VIDEO, a_list=True, others=404),
    Route(
        method="POST",
        path=f"{V}/suggest-clips",
        arrange=a_talk,
        body={"customPrompt": "rye"},
        keys=keys("clips"),
        also=proposes_what_is_not_saved,
        others=404,
        bad=(({"customPrompt": "x" * 501}, 400),),
        refusals=((a_silent_video, 400),),
    ),
    Route(
        method="POST",
        path=f"{V}/clips",
        arrange=a_talk,
        body={"startSec": 2, "endSec": 12.5, "title": "Rye"},
        success=201,
        keys=VIDEO,
        also=is_a_part,
        others=404,
        bad=(
            ({"startSec": 5, "endSec": 5}, 400),
            ({"startSec": "5", "endSec": 9}, 400),
            ({"startSec": 40, "endSec": 50}, 400),
            ({"startSec": 1}, 400),
            ({"startSec": 1, "endSec": 2, "title": "x" * 201}, 400),
        ),
    ),
    Route(
        method="POST",
        path=f"{V}/publish",
        who=PUBLISHERS,
        arrange=a_talk_with_a_channel,
        body=lambda given: {"channel_id": given.get("channel_id")},
        keys=VIDEO,
        also=is_being("publishing"),
        others=404,
        bad=(({"privacy": "everybody"}, 400),),
        refusals=((a_talk_without_a_channel, 403), (nothing, 404), (a_video_that_is_published_now, 409)),
    ),
    Route(method="GET", path="/api/my-channels", arrange=a_channel, keys=CHANNEL, a_list=True),
    Route(
        method="GET",
        path="/api/me/publish-info",
        arrange=a_channel,
        keys=keys("role canPublish showChannelSelector channels defaultChannel"),
    ),
    Route(method="GET", path="/api/admin/channels", who=ADMINS, arrange=a_channel, keys=CHANNEL, a_list=True),
    Route(
        method="POST",
        path="/api/admin/channels",
        who=ADMINS,
        arrange=a_new_channel,
        body=lambda given: {"id": given["channel_id"], "name": "Theirs"},
        success=201,
        keys=CHANNEL,
        bad=(({"id": "UCx"}, 400), ({"name": "x"}, 400)),
        refusals=((a_channel, 409),),
    ),
    Route(
        method="DELETE",
        path="/api/admin/channels/{channel_id}",
        who=ADMINS,
        arrange=a_channel,
        keys=keys("success"),
        also=is_gone,
    ),
    Route(method="POST", path="/api/admin/seed", who=ADMINS, keys=keys("message channels")),
]
