"""What reads and answers: checks, search, the coach."""

from db.base.chat import search_queries
from db.base.videos import confidentiality_checks, videos
from tests.contract.route import WORKBOOK, Arguments, Route, World, keys
from tests.contract.routes_videos import VIDEO, a_video

CHECK = keys(
    """
    id videoId status overallStatus segments summary highCount mediumCount lowCount modelUsed triggeredBy errorMessage completedAt
    createdAt updatedAt
    """
)


def a_checked_video(world: World, owner: str) -> Arguments:
    arguments = a_video(world, owner)
    world.insert(confidentiality_checks, owner, video_id=arguments["video_id"], status="completed", overall_status="clear")
    return arguments


def a_video_without_words(world: World, owner: str) -> Arguments:
    return {"video_id": world.insert(videos, owner)}


def a_search(world: World, owner: str) -> Arguments:
    return {"search_id": world.insert(search_queries, owner, query="good morning", results=[])}


def a_video_with_a_finding(world: World, owner: str) -> Arguments:
    arguments = a_video(world, owner)
    segments = [{"id": "a", "startTime": "00:00:01", "endTime": "00:00:02", "category": "other", "severity": "low"}]
    check = {"status": "completed", "overall_status": "flagged", "segments": segments}
    world.insert(confidentiality_checks, owner, video_id=arguments["video_id"], **check)
    return arguments


AWAITED: set[str] = set()

ROUTES: list[Route] = [
    Route(
        method="POST",
        path="/api/videos/{video_id}/confidentiality-check",
        arrange=a_video,
        keys=CHECK,
        others=404,
        refusals=((a_video_without_words, 400),),
    ),
    Route(
        method="POST",
        path="/api/videos/{video_id}/confidentiality-check/resolve-segment",
        arrange=a_video_with_a_finding,
        body={"segmentId": "a", "resolutionStatus": "resolved", "resolutionNote": "it is public"},
        keys=CHECK,
        others=404,
        bad=(({}, 400), ({"segmentId": "a", "resolutionStatus": "resolved"}, 400)),
    ),
    Route(
        method="POST",
        path="/api/search",
        body={"query": "good morning"},
        keys=keys("success query results totalFound message"),
        bad=(({}, 400), ({"query": " "}, 400), ({"query": "x", "limit": 0}, 400)),
    ),
    Route(
        method="GET",
        path="/api/search/history",
        arrange=a_search,
        keys=keys("id userId query results totalFound createdAt updatedAt"),
        a_list=True,
    ),
    Route(
        method="POST",
        path="/api/workbook/ai-coach",
        who=WORKBOOK,
        body={"section": "swot", "action": "improve", "currentAnswers": {"strengths": ["bread"]}},
        keys=keys("response suggestions"),  # also where nothing answers in time, as here
        bad=(({"section": "taxes", "action": "x", "currentAnswers": {}}, 400), ({"section": "swot"}, 400)),
    ),
    Route(method="GET", path="/api/unsecured-videos", arrange=a_video, keys=VIDEO, a_list=True),
    Route(
        method="GET",
        path="/api/videos/{video_id}/confidentiality-check",
        arrange=a_checked_video,
        keys=CHECK,
        others=404,
    ),
]
