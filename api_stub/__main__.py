"""`python -m api_stub`: the web process."""

import uvicorn

from api_stub.app import create_app
from core.log import configure_log
from core.nudge import Nudge
from core.settings import settings
from core.storage import open_storage
from db.engine import Database
from pipelines.base import settle


def main() -> None:
    """Serve until TERM."""
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    nudge = Nudge(config.redis_url.get_secret_value())
    database = Database(
        config.database_url.get_secret_value(),
        connections=10,
        nudge=nudge,
        settle=settle,
        statement_seconds=config.request_statement_seconds,
    )
    app = create_app(database, open_storage(config), config)
    uvicorn.run(app, host=config.host, port=config.port, log_config=None, access_log=False, timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
