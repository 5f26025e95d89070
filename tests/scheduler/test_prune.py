from uuid import UUID, uuid4

from core.storage import FolderStorage
from db import jobs, videos
from db.engine import Database
from db.videos import FileKind, NewFile
from pipelines.base import enqueue
from scheduler.prune import Prune
from testkit import Worker


def write(storage: FolderStorage, claim_id: UUID) -> str:
    key = f"attempts/{claim_id.hex}/ladder/v0/index.m3u8"
    with storage.writer(key) as file:
        file.write(b"#EXTM3U")
    return key


def keys(storage: FolderStorage) -> list[str]:
    return list(storage.list_keys("attempts"))


def test_what_nothing_names_is_removed(database: Database, storage: FolderStorage):
    write(storage, uuid4())
    Prune(database, storage).tick()
    assert keys(storage) == []


def test_a_file_of_a_video_stays_with_all_beside_it(database: Database, storage: FolderStorage, owner: str):
    claim_id = uuid4()
    key = write(storage, claim_id)
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, videos.Source("upload", "k", "a.mp4"), user_id=owner)
        master = NewFile(FileKind.LADDER, f"attempts/{claim_id.hex}/ladder/master.m3u8", 1, "0" * 64)
        videos.keep_files(session, video_id, [master])
    Prune(database, storage).tick()
    assert keys(storage) == [key]


def test_what_a_later_step_of_a_live_job_reads_stays(database: Database, storage: FolderStorage, owner: str, worker: Worker):
    with database.tenant(owner) as session:
        job_id = enqueue(session, "self_check", {"mebibytes": 1}, owner_id=owner)
    worker.runner.run(worker.list_due()[0])
    assert keys(storage)
    Prune(database, storage).tick()
    worker.drain()
    assert worker.job(job_id)["status"] == "succeeded"


def test_what_a_cancelled_job_wrote_goes_an_hour_later(database: Database, storage: FolderStorage, owner: str, worker: Worker):
    with database.tenant(owner) as session:
        job_id = enqueue(session, "self_check", {"mebibytes": 1}, owner_id=owner)
    worker.runner.run(worker.list_due()[0])
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)
    Prune(database, storage).tick()
    assert keys(storage)
    with database.jobs() as session:
        session.connection().exec_driver_sql("UPDATE jobs.jobs SET finished_at = now() - interval '61 minutes'")
    Prune(database, storage).tick()
    assert keys(storage) == []
