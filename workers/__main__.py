"""`python -m workers --queues io,web --threads 8`: one process that runs steps of these queues."""

import argparse
import os
import signal
import threading
import time
from datetime import timedelta

import dramatiq
from sqlalchemy.exc import SQLAlchemyError

from core.ids import new_id
from core.log import configure_log, get_logger
from core.nudge import Nudge
from core.sandbox.run import Sandbox
from core.settings import settings
from core.storage import open_storage
from db.engine import Database
from pipelines.base import find_pipelines, settle
from workers.broker import ACTOR, HintBroker, read_hint
from workers.lease import Keeper
from workers.runner import StepRunner
from workers.scratch import prune_scratch

_log = get_logger("workers")


def main() -> None:
    """Run until TERM; then release what does not come to an end in time."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--queues", required=True, help="comma-separated: io, media, ai, web")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    queues = options.queues.split(",")
    redis_url = config.redis_url.get_secret_value()
    database = Database(
        config.database_url.get_secret_value(), connections=options.threads + 2, nudge=Nudge(redis_url), settle=settle
    )
    worker_id, lease = new_id(), timedelta(seconds=config.lease_seconds)
    sandbox = Sandbox(mode=config.sandbox)
    runner = StepRunner(database, open_storage(config), sandbox, worker_id=worker_id, scratch=config.scratch, lease=lease)
    keeper = Keeper(
        runner, database, worker_id=worker_id, queues=queues, threads=options.threads, lease=lease, on_deaf=stop.set
    )
    broker = HintBroker(redis_url, room=options.threads)
    dramatiq.set_broker(broker)
    for queue in queues:
        broker.declare_queue(queue)

    def run_steps(hint: str) -> None:
        try:
            runner.run(*read_hint(hint))
        except SQLAlchemyError as error:  # the rows are as they were: the relay hints them again
            _log.warning("steps.not_claimed", error=type(error).__name__)

    dramatiq.actor(actor_name=ACTOR, queue_name=queues[0], broker=broker)(run_steps)
    find_pipelines()  # a module that does not import is found now, not at its first job
    worker = dramatiq.Worker(broker, queues=set(queues), worker_threads=options.threads)
    keeper.start()
    worker.start()
    _log.info("worker.started", queues=queues, threads=options.threads)
    while not stop.wait(2 * config.lease_seconds):  # by then a killed attempt's step has been given to another
        prune_scratch(database, config.scratch)
    _shut_down(runner, broker, keeper, grace_seconds=config.grace_seconds)


def _shut_down(runner: StepRunner, broker: HintBroker, keeper: Keeper, *, grace_seconds: float) -> None:
    broker.taking.clear()  # not worker.pause(): that waits for the steps that are to be told first
    try:
        runner.stop()
    except SQLAlchemyError as error:
        _log.warning("worker.could_not_give_back", error=type(error).__name__)
    deadline = time.monotonic() + grace_seconds
    while runner.held and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        keeper.stop()
    except SQLAlchemyError as error:
        _log.warning("worker.left_without_goodbye", error=type(error).__name__)
    _log.info("worker.stopped", unfinished=len(runner.held))
    os._exit(0)  # a step that does not listen must not hold the process: its lease expires


if __name__ == "__main__":
    main()
