"""`python -m api_stub`: the web process."""

import uvicorn

from api_stub.app import create_app
from core.errors import Misconfigured
from core.log import configure_log
from core.nudge import Nudge
from core.settings import settings
from db.engine import Database
from pipelines.base import settle

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def main() -> None:
    """Serve until TERM."""
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    if config.host not in _LOOPBACK:
        raise Misconfigured(f"HOST={config.host} is not loopback; only local mode is built, so set HOST=127.0.0.1")
    nudge = Nudge(config.redis_url.get_secret_value())
    database = Database(config.database_url.get_secret_value(), connections=10, nudge=nudge, settle=settle)
    uvicorn.run(
        create_app(database), host=config.host, port=config.port, log_config=None, access_log=False, timeout_graceful_shutdown=5
    )


if __name__ == "__main__":
    main()
