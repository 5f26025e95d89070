"""`python -m scheduler`: relay and rescue. Safe to run twice, useful once."""

from datetime import UTC, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from core.log import configure_log, get_logger
from core.nudge import Nudge
from core.settings import settings
from db.engine import Database
from scheduler.relay import Relay
from scheduler.rescue import Rescue


def main() -> None:
    """Run until killed: nothing is held between ticks."""
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    redis_url = config.redis_url.get_secret_value()
    database = Database(config.database_url.get_secret_value(), connections=4, nudge=Nudge(redis_url))
    rescue = Rescue(database, lease=timedelta(seconds=config.lease_seconds))
    clock = BackgroundScheduler(timezone=UTC, daemon=True)
    # coalesce and no grace limit: a late tick runs once, it is never dropped in silence.
    clock.add_job(rescue.tick, "interval", seconds=1, max_instances=1, coalesce=True, misfire_grace_time=None)
    clock.start()
    get_logger("scheduler").info("scheduler.started")
    Relay(database, redis_url).run()


if __name__ == "__main__":
    main()
