import pytest

from core.errors import NotFound
from db import confidentiality, videos
from db.engine import Database

SOURCE = videos.Source("folder", "talks/a.mp4", "a.mp4", size_bytes=7, version="7-1")


def test_a_version_of_a_file_is_taken_once(database: Database, owner: str):
    with database.tenant(owner) as session:
        assert videos.insert_request(session, SOURCE, user_id=owner) is not None
        assert videos.insert_request(session, SOURCE, user_id=owner) is None
        assert videos.list_seen_versions(session, "folder") == {("talks/a.mp4", "7-1")}


def test_a_request_comes_with_its_video(database: Database, owner: str):
    with database.tenant(owner) as session:
        video_id, request_id = videos.insert_request(session, SOURCE, user_id=owner)
        video, request = videos.get_video(session, video_id), videos.get_request(session, request_id)
    assert (video["status"], video["title"], video["file_size"]) == ("uploading", "a", 7)
    assert (request["status"], request["video_id"], request["source_path"]) == ("queued", video_id, "talks/a.mp4")


def test_files_of_a_later_run_replace_those_of_an_earlier_one(database: Database, owner: str):
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, SOURCE, user_id=owner)
        for key in ("attempts/a/video.mp4", "attempts/b/video.mp4"):
            videos.keep_files(session, video_id, [videos.NewFile(videos.FileKind.MP4, key, 1, "00")])
        assert videos.list_files(session, video_id)["mp4"]["key"] == "attempts/b/video.mp4"


def test_a_removed_video_gives_back_its_keys_and_leaves_nothing(database: Database, owner: str):
    with database.tenant(owner) as session:
        video_id, request_id = videos.insert_request(session, SOURCE, user_id=owner)
        videos.keep_files(session, video_id, [videos.NewFile(videos.FileKind.SOURCE, "uploads/x", 1, "00")])
        assert videos.delete_video(session, video_id) == ["uploads/x"]
        for find in (lambda: videos.get_video(session, video_id), lambda: videos.get_request(session, request_id)):
            with pytest.raises(NotFound):
                find()


def test_only_known_columns_of_a_video_change(database: Database, owner: str):
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, SOURCE, user_id=owner)
        videos.update_video(session, video_id, captions=[{"text": "hello"}], duration_ms=1000)
        assert videos.get_video(session, video_id)["captions"] == [{"text": "hello"}]
        with pytest.raises(ValueError, match="user_id"):
            videos.update_video(session, video_id, user_id="somebody")


def test_a_checks_counts_are_those_of_its_segments(database: Database, owner: str):
    segments = [{"severity": severity} for severity in ("high", "low", "low")]
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, SOURCE, user_id=owner)
        check_id = confidentiality.insert_check(
            session, video_id, clear=False, segments=segments, summary="s", model_used="rules 1", triggered_by=owner
        )
        check, video = confidentiality.find_last_check(session, video_id), videos.get_video(session, video_id)
    assert (check["high_count"], check["medium_count"], check["low_count"]) == (1, 0, 2)
    assert (video["confidentiality_status"], video["last_confidentiality_check_id"]) == ("flagged", check_id)
