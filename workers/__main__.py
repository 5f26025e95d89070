"""`python -m workers --queues io,web --threads 8`: one process that runs steps of these queues."""

import argparse

import dramatiq
from sqlalchemy.exc import SQLAlchemyError

from core.hints import read_hint
from core.log import configure_log, get_logger
from core.settings import settings
from workers.alone import Alone
from workers.broker import ACTOR, HintBroker
from workers.hang import end_when_hung
from workers.process import Process
from workers.scratch import prune_scratch

_log = get_logger("workers")


def main() -> None:
    """Run until TERM; then release what does not come to an end in time."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--queues", required=True, help="comma-separated: io, media, ai, web")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    end_when_hung()
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    queues = options.queues.split(",")
    process = Process(config, queues=queues, threads=options.threads)
    alone = Alone(on_loss=process.tell_loss)
    process.stop.at_signals()
    broker = HintBroker(config.redis_url.get_secret_value(), room=options.threads)
    dramatiq.set_broker(broker)
    for queue in queues:
        broker.declare_queue(queue)

    def run_steps(text: str) -> None:
        hint = read_hint(text)
        try:
            if hint.alone:
                alone.run(hint.step_ids)
            else:
                process.runner.run(*hint.step_ids)
        except SQLAlchemyError as error:  # the rows are as they were: the relay hints them again
            _log.warning("steps.not_claimed", error=type(error).__name__)

    dramatiq.actor(actor_name=ACTOR, queue_name=queues[0], broker=broker)(run_steps)
    worker = dramatiq.Worker(broker, queues=set(queues), worker_threads=options.threads)
    process.keeper.start()
    worker.start()
    _log.info("worker.started", queues=queues, threads=options.threads)
    while not process.stop.wait(2 * config.lease_seconds):  # by then a killed attempt's step has been given to another
        prune_scratch(process.database, config.scratch)
    broker.taking.clear()  # not worker.pause(): that waits for the steps that are to be told first
    alone.stop()
    process.shut_down(others_run=alone.running)


if __name__ == "__main__":
    main()
