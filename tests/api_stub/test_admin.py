from fastapi.testclient import TestClient

from db import channels, operators
from db.engine import Database


def test_what_is_done_to_a_users_channels_is_kept(client: TestClient, database: Database, owner: str, bela: str):
    with database.tenant(owner) as session:
        channels.add_channel(session, "UC1", "One")
    client.post("/api/admin/users/bela/channels", json={"channelId": "UC1"}).raise_for_status()
    client.patch("/api/admin/users/bela/default-channel", json={"channelId": "UC1"}).raise_for_status()
    client.delete("/api/admin/users/bela/channels/UC1").raise_for_status()
    with database.jobs() as session:
        kept = [(row["operator"], row["target"], row["detail"]) for row in operators.list_actions(session)]
    assert kept == [
        (owner, "user bela", {"removed_channel": "UC1"}),
        (owner, "user bela", {"default_channel_id": "UC1"}),
        (owner, "user bela", {"added_channel": "UC1"}),
    ]
