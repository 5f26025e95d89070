"""What reads and answers: checks, search, the coach."""

from db.base.videos import confidentiality_checks
from tests.contract.route import Arguments, Route, World, keys
from tests.contract.routes_videos import a_video

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


AWAITED: set[str] = {
    "POST /videos/:id/confidentiality-check",
    "POST /search",
    "GET /search/history",
    "POST /workbook/ai-coach",
}

ROUTES: list[Route] = [
    Route(
        method="GET",
        path="/api/videos/{video_id}/confidentiality-check",
        arrange=a_checked_video,
        keys=CHECK,
        others=404,
    ),
]
