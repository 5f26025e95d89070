"""Where videos come from."""

from db.base.connections import cloud_connections
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


CONNECTION = keys(
    """
    id userId provider accountId accountName accountEmail profilePhotoUrl selectedFolderPath selectedFolderName isActive
    lastSyncedAt createdAt updatedAt
    """
)


def a_dropbox(world: World, owner: str) -> Arguments:
    """One whose tokens nobody takes: what is asked of Dropbox itself is tested with its twin (tests/api_stub/test_clouds.py)."""
    return {"connection_id": world.insert(cloud_connections, owner, provider="dropbox", account_id=f"dbid:{owner}")}


def no_dropbox(world: World, owner: str) -> Arguments:
    where = (cloud_connections.c.user_id == owner, cloud_connections.c.provider == "dropbox")
    world.connection.execute(cloud_connections.delete().where(*where))
    return {"query": "?path=/a.mp4"}


def is_followed(world: World, arguments: Arguments, answer) -> None:
    shown = answer.json()
    assert (shown["selectedFolderPath"], shown["selectedFolderName"], shown["isActive"]) == ("/Videos", "Videos", "true")


AWAITED: set[str] = set()
PROBLEM = keys("type title status detail message")

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
    Route(method="GET", path="/api/cloud-connections", arrange=a_dropbox, keys=CONNECTION, a_list=True),
    Route(method="GET", path="/api/dropbox/status", arrange=a_dropbox, keys=keys("connected account")),
    Route(method="POST", path="/api/dropbox/connect", arrange=a_dropbox, keys=CONNECTION, refusals=((no_dropbox, 403),)),
    Route(
        method="POST",
        path="/api/dropbox/select-folder",
        arrange=a_dropbox,
        body={"folderPath": "/Videos", "folderName": "Videos"},
        keys=CONNECTION,
        also=is_followed,
        bad=(({}, 400), ({"folderPath": None}, 400)),
        refusals=((no_dropbox, 403),),
    ),
    *(
        Route(method="GET", path=f"/api/dropbox/{name}", arrange=no_dropbox, success=403, keys=PROBLEM)
        for name in ("files", "download-link", "search-videos")
    ),
]
