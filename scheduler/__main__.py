"""`python -m scheduler`: relay, rescue, schedules, watched and followed folders, pruning, retention, the audit. Safe to run twice."""

import gc
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from core.log import configure_log, get_logger
from core.nudge import Nudge
from core.settings import settings
from core.storage import open_storage
from db.engine import Database
from db.jobs import Rest
from pipelines.base import settle
from scheduler.audit import Audit
from scheduler.clock import Clock
from scheduler.prune import Prune
from scheduler.readings import Readings
from scheduler.relay import Relay
from scheduler.rescue import Rescue
from scheduler.retention import Retention
from scheduler.standstill import LOOK_SECONDS, Standstill
from scheduler.steady import Steady
from scheduler.sweep import Sweep
from scheduler.watch import open_watch


def main() -> None:
    """Run until killed: nothing is held between ticks."""
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    redis_url = config.redis_url.get_secret_value()
    database = Database(config.database_url.get_secret_value(), connections=4, nudge=Nudge(redis_url), settle=settle)
    rescue = Rescue(database, lease=timedelta(seconds=config.lease_seconds))
    # coalesce and no grace limit: a late tick runs once, it is never dropped in silence.
    every = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
    clock = BackgroundScheduler(timezone=UTC, daemon=True, job_defaults=every)
    clock.add_job(rescue.tick, "interval", seconds=1)
    watch = open_watch(database, config.watched, owner_id=config.watch_owner, settle_seconds=config.watch_settle_seconds)
    clock.add_job(watch.tick, "interval", seconds=1)
    sweep = Sweep(database, every=timedelta(seconds=config.sweep_seconds))
    clock.add_job(sweep.tick, "interval", seconds=5)
    prune = Prune(database, open_storage(config))
    clock.add_job(prune.tick, "interval", minutes=10)
    rest = Rest(
        ended=timedelta(days=config.hot_days),
        failed=timedelta(days=config.hot_failed_days),
        kept=timedelta(days=config.retention_days),
    )
    # Soon after the start as well: a machine may be on for less than an hour at a time.
    soon = datetime.now(UTC) + timedelta(minutes=1)
    clock.add_job(Retention(database, rest).tick, "interval", hours=1, next_run_time=soon)
    readings = Readings(database, open_storage(config), age=timedelta(days=config.reading_days))
    clock.add_job(readings.tick, "interval", hours=1, next_run_time=soon)
    fires = Clock(database)
    clock.add_job(fires.tick, "interval", seconds=1)
    clock.add_job(fires.adopt, "interval", minutes=1, next_run_time=datetime.now(UTC))
    audit = Audit(database)
    clock.add_job(audit.tick, "interval", minutes=1)
    clock.add_job(Standstill(database, redis_url).tick, "interval", seconds=LOOK_SECONDS)
    gc.freeze()  # what is imported stays: looked through again and again, it cost a third of what the relay does
    clock.start()
    Steady(clock).start()
    get_logger("scheduler").info("scheduler.started")
    Relay(database, redis_url).run()


if __name__ == "__main__":
    main()
