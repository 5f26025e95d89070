"""Users and everybody's videos, for who runs the installation."""

import csv
import io

from db.base.accounts import UserRole
from db.base.videos import user_channels, videos, youtube_channels
from tests.contract.route import ADMINS, SUPERADMINS, Arguments, Route, World, keys
from tests.contract.routes_videos import VIDEO

ONE = keys("id email firstName lastName profileImageUrl role defaultChannelId notes createdAt updatedAt")
WITH_CHANNELS = ONE | {"channels"}
CHANNEL = keys("id name")


def somebody(world: World, owner: str) -> Arguments:
    return {"user_id": world.new_user(UserRole.CREATIVE, email=f"{len(world.list_users())}@somewhere.example")}


def somebody_and_a_channel(world: World, owner: str) -> Arguments:
    arguments = somebody(world, owner)
    row = world.row(youtube_channels, world.insert(youtube_channels, owner, title="Ours"))
    return {**arguments, "channel_id": row["channel_id"]}


def somebody_with_a_channel(world: World, owner: str) -> Arguments:
    arguments = somebody_and_a_channel(world, owner)
    channel = world.row(user_channels, world.insert(user_channels, arguments["user_id"]))["channel_id"]
    return {**arguments, "channel_id": world.row(youtube_channels, channel)["channel_id"]}


def nobody(world: World, owner: str) -> Arguments:
    return {"user_id": "nobody", "channel_id": "UCnobody"}


def a_channel_that_is_not_there(world: World, owner: str) -> Arguments:
    return {**somebody(world, owner), "channel_id": "UCnobody"}


def oneself(world: World, owner: str) -> Arguments:
    return {"user_id": owner}


def one_with_videos(world: World, owner: str) -> Arguments:
    arguments = somebody(world, owner)
    world.insert(videos, arguments["user_id"])
    return arguments


def a_new_address(world: World, owner: str) -> Arguments:
    return {**somebody_and_a_channel(world, owner), "email": f"new{len(world.list_users())}@somewhere.example"}


def is_made_by_hand(world: World, arguments: Arguments, answer) -> None:
    made = answer.json()
    assert made["id"].startswith("manual_")
    assert made["channels"] == [{"id": arguments["channel_id"], "name": "Ours"}]
    assert made["defaultChannelId"] == arguments["channel_id"]


def is_gone(world: World, arguments: Arguments, answer) -> None:
    assert arguments["user_id"] not in world.list_users()


def has_no_channel(world: World, arguments: Arguments, answer) -> None:
    assert answer.json() == []


def a_video_that_is_a_formula(world: World, owner: str) -> Arguments:
    return {"video_id": world.insert(videos, world.new_user(UserRole.SEARCH), title='=HYPERLINK("http://example.com","x")')}


def is_text_for_a_spreadsheet(world: World, arguments: Arguments, answer) -> None:
    assert answer.headers["content-type"].startswith("text/csv")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert rows[str(arguments["video_id"])]["title"].startswith("'=")
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows.values() for cell in row.values())


def shows_anothers_video(world: World, arguments: Arguments, answer) -> None:
    assert arguments["video_id"] in [video["id"] for video in answer.json()]


AWAITED: set[str] = set()

ROUTES = [
    Route(method="GET", path="/api/admin/users", who=SUPERADMINS, keys=WITH_CHANNELS, a_list=True),
    Route(
        method="POST",
        path="/api/admin/users",
        who=SUPERADMINS,
        arrange=a_new_address,
        body=lambda given: {
            "email": given["email"],
            "role": "creative",
            "channelIds": [given["channel_id"]],
            "defaultChannelId": given["channel_id"],
        },
        success=201,
        keys=WITH_CHANNELS,
        also=is_made_by_hand,
        bad=(
            ({"email": "a@b.example"}, 400),
            ({"email": "no address", "role": "admin"}, 400),
            ({"email": "a@b.example", "role": "superadmin"}, 400),
            ({"email": "a@b.example", "role": "search", "channelIds": ["UCnobody"]}, 400),
            ({"email": "ADMIN@example.com", "role": "search"}, 409),
        ),
    ),
    Route(
        method="PATCH",
        path="/api/admin/users/{user_id}",
        who=SUPERADMINS,
        arrange=somebody,
        body={"firstName": "Ada", "channelIds": []},
        keys=WITH_CHANNELS,
        bad=(({"role": "superadmin"}, 400), ({"role": None}, 400), ({"email": "admin@example.com"}, 409)),
        refusals=((nobody, 404),),
    ),
    Route(
        method="PATCH",
        path="/api/admin/users/{user_id}/role",
        who=SUPERADMINS,
        arrange=somebody,
        body={"role": "search"},
        keys=ONE,
        bad=(({"role": "pickone"}, 400), ({}, 400)),
        refusals=((nobody, 404),),
    ),
    Route(
        method="PATCH",
        path="/api/admin/users/{user_id}/default-channel",
        who=SUPERADMINS,
        arrange=somebody_with_a_channel,
        body=lambda given: {"channelId": given["channel_id"]},
        keys=ONE,
        bad=(({}, 400), ({"channelId": "UCnobody"}, 404)),
        refusals=((nobody, 404),),
    ),
    Route(
        method="DELETE",
        path="/api/admin/users/{user_id}",
        who=SUPERADMINS,
        arrange=somebody,
        keys=keys("message"),
        also=is_gone,
        refusals=((oneself, 400), (one_with_videos, 409)),
    ),
    Route(
        method="POST",
        path="/api/admin/users/{user_id}/channels",
        who=SUPERADMINS,
        arrange=somebody_and_a_channel,
        body=lambda given: {"channelId": given["channel_id"]},
        keys=CHANNEL,
        a_list=True,
        bad=(({}, 400),),
        refusals=((nobody, 404), (a_channel_that_is_not_there, 404)),
    ),
    Route(
        method="DELETE",
        path="/api/admin/users/{user_id}/channels/{channel_id}",
        who=SUPERADMINS,
        arrange=somebody_with_a_channel,
        also=has_no_channel,
        refusals=((nobody, 404),),
    ),
    Route(
        method="GET",
        path="/api/admin/all-videos",
        who=ADMINS,
        arrange=a_video_that_is_a_formula,
        keys=VIDEO,
        a_list=True,
        also=shows_anothers_video,
    ),
    Route(
        method="GET",
        path="/api/admin/export-csv",
        who=SUPERADMINS,
        arrange=a_video_that_is_a_formula,
        also=is_text_for_a_spreadsheet,
    ),
    Route(
        method="POST",
        path="/api/bootstrap-superadmin",
        who=SUPERADMINS,  # who has the address: in the world of these tests the superadmin
        keys=keys("message user"),
    ),
]
