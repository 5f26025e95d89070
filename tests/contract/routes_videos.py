"""Videos and their upload."""

from db.base.accounts import UserRole
from db.base.videos import videos
from tests.contract.route import Arguments, Route, World, keys

VIDEO = keys(
    """
    id userId originalFilename storagePath status assemblyId fileSize mimeType transcript captions title description tags hashtags
    sentiment categories category aiSummary thumbnailPrompt thumbnailUrl speakerImageUrl language durationMs suggestedStartMs
    trimStartMs trimEndMs parentVideoId startSec endSec privacyStatus youtubeId youtubeUrl youtubeChannelId publishedAt errorMessage
    confidentialityStatus lastConfidentialityCheckId lastConfidentialityCheckAt createdAt updatedAt
    """
)


def a_video(world: World, owner: str) -> Arguments:
    """A video of this owner's, with a transcript."""
    return {"video_id": world.insert(videos, owner, transcript="1\n00:00:00,000 --> 00:00:02,000\nGood morning\n")}


def a_film() -> dict[str, tuple[str, bytes, str]]:
    return {"file": ("film.mp4", b"moving", "video/mp4")}


def is_kept(world: World, arguments: Arguments, answer) -> None:
    assert world.row(videos, answer.json()["id"])["status"] == "uploading"


def a_trimmed_video(world: World, owner: str) -> Arguments:
    return {"video_id": world.insert(videos, owner, trim_start_ms=100, trim_end_ms=200)}


def one_that_is_not_there(world: World, owner: str) -> Arguments:
    return {"video_id": 2**31 - 1}


def is_trimmed_at_its_start_alone(world: World, arguments: Arguments, answer) -> None:
    row = world.row(videos, arguments["video_id"])
    assert (row["trim_start_ms"], row["trim_end_ms"]) == (1500, None)


def is_renamed(world: World, arguments: Arguments, answer) -> None:
    assert answer.json()["title"] == world.row(videos, arguments["video_id"])["title"] == "A better one"


def a_picture() -> dict[str, tuple[str, bytes, str]]:
    return {"file": ("face.jpg", b"\xff\xd8\xff\xe0 and so on", "image/jpeg")}


def is_served(world: World, arguments: Arguments, answer) -> None:
    column = "speaker_image_url" if "speaker_image" in answer.json()["url"] else "thumbnail_url"
    url = world.row(videos, arguments["video_id"])[column]
    assert answer.json()["url"].endswith(url)
    served = world.client.get(url, headers=world.bearer(UserRole.SEARCH))
    assert (served.content, served.headers["content-type"]) == (b"\xff\xd8\xff\xe0 and so on", "image/jpeg")
    assert world.client.get(url, headers=world.bearer(UserRole.ADMIN)).status_code == 404


AWAITED: set[str] = set()

ROUTES = [
    Route(method="POST", path="/api/upload", form=a_film, success=201, keys=VIDEO, also=is_kept, bad=((b"no form", 400),)),
    Route(method="GET", path="/api/videos", arrange=a_video, keys=VIDEO, a_list=True),
    Route(method="GET", path="/api/videos/{video_id}", arrange=a_video, keys=VIDEO, others=404),
    Route(method="GET", path="/api/videos/{video_id}/status", arrange=a_video, keys=keys("status"), others=404),
    Route(
        method="PATCH",
        path="/api/videos/{video_id}",
        arrange=a_video,
        body={"title": "A better one"},
        keys=VIDEO,
        also=is_renamed,
        others=404,
        bad=(({"userId": "the-admin"}, 400), ({"privacyStatus": "secret"}, 400), ([], 400), (b"{", 400)),
    ),
    Route(
        method="PATCH",
        path="/api/videos/{video_id}/trim",
        arrange=a_trimmed_video,
        body={"trimStartMs": 1500.0},
        keys=VIDEO,
        also=is_trimmed_at_its_start_alone,
        others=404,
        bad=(
            ({"trimStartMs": -1}, 400),
            ({"trimStartMs": 2000, "trimEndMs": 2000}, 400),
            ({"trimEndMs": "late"}, 400),
            ([], 400),
        ),
        refusals=((one_that_is_not_there, 404),),
    ),
    *(
        Route(
            method="POST",
            path=f"/api/videos/{{video_id}}/{what}",
            arrange=a_video,
            form=a_picture,
            keys=keys("url"),
            also=is_served,
            others=404,
            bad=((b"no form", 400),),
        )
        for what in ("speaker-image", "upload-thumbnail")
    ),
]
