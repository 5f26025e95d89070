"""Where videos come from."""

from db.base.videos import video_ingest_requests
from tests.contract.route import Arguments, Route, World, keys

REQUEST = keys(
    """
    id userId provider sourcePath sourceFileName sourceFileSize status progress errorMessage videoId startedAt completedAt
    createdAt updatedAt
    """
)


def a_request(world: World, owner: str) -> Arguments:
    """A request that waits, for which no job is there: as earlier products left them."""
    return {"request_id": world.insert(video_ingest_requests, owner)}


def one_that_is_done(world: World, owner: str) -> Arguments:
    return {"request_id": world.insert(video_ingest_requests, owner, status="ready")}


def is_cancelled(world: World, arguments: Arguments, answer) -> None:
    assert answer.json() == {"success": True}
    assert world.row(video_ingest_requests, arguments["request_id"])["status"] == "cancelled"


AWAITED: set[str] = {
    "GET /dropbox/status",
    "GET /dropbox/files",
    "GET /dropbox/download-link",
    "POST /dropbox/connect",
    "POST /dropbox/select-folder",
    "GET /dropbox/search-videos",
    "GET /cloud-connections",
}

ROUTES: list[Route] = [
    Route(
        method="POST",
        path="/api/ingest-requests",
        body={"provider": "sample", "videos": [{"path": "clip.mp4", "name": "clip.mp4", "size": 3}]},
        keys=REQUEST,
        a_list=True,
        bad=(({"videos": []}, 400), ({}, 400), ({"provider": "floppy", "videos": [{"path": "a", "name": "a"}]}, 400)),
    ),
    Route(method="GET", path="/api/ingest-requests", arrange=a_request, keys=REQUEST, a_list=True),
    Route(method="GET", path="/api/ingest-requests/{request_id}", arrange=a_request, keys=REQUEST, others=404),
    Route(
        method="DELETE",
        path="/api/ingest-requests/{request_id}",
        arrange=a_request,
        keys=keys("success"),
        also=is_cancelled,
        others=404,
        refusals=((one_that_is_done, 400),),
    ),
]
