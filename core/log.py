"""Structured log lines: one event name, details as keys, secrets struck out."""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

_SECRET_NAMES = re.compile(r"(?i)(token|secret|passw|authorization|api_?key|cookie|credential|private_?key|dsn)")
_SECRET_VALUES = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"(?i)([?&#;](?:[a-z_]*token|code|key|sig|signature|secret|password|state)=)[^&#\s\"']+"), r"\1[redacted]"),
    (re.compile(r"([a-z][a-z0-9+.-]*://)[^/@\s:]*:[^/@\s]+@"), r"\1[redacted]@"),
    (re.compile(r"\b(sk|ak|rk|pk|ya29|ghp|xox[abp])[-_.][A-Za-z0-9_.-]{12,}"), r"\1-[redacted]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+"), "[redacted]"),
)


def redact(value: Any) -> Any:  # noqa: ANN401  (log values are of any type)
    """`value` without what looks like a credential, to any depth."""
    if isinstance(value, str):
        for pattern, replacement in _SECRET_VALUES:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, Mapping):
        return {k: "[redacted]" if _names_secret(k) and v else redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if isinstance(value, BaseException):
        return redact(str(value))
    return value


def _names_secret(name: object) -> bool:
    return isinstance(name, str) and bool(_SECRET_NAMES.search(name))


def _redact_event(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    redacted: dict[str, Any] = redact(event)
    return redacted


_about: ContextVar[Callable[[], Mapping[str, object]] | None] = ContextVar("about", default=None)


@contextmanager
def about(fields: Callable[[], Mapping[str, object]]) -> Iterator[None]:
    """Put these fields on every line that is written in the block; they are asked for only when there is one."""
    token = _about.set(fields)
    try:
        yield
    finally:
        _about.reset(token)


def _say_what_about(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    fields = _about.get()
    return {**fields(), **event} if fields else event


def configure_log(*, form: str = "auto", level: str = "info") -> None:
    """Send our events and the standard library's through one chain to standard error."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _say_what_about,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(default=str)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "apscheduler", "uvicorn.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module; bind per-request context with `structlog.contextvars`, and an attempt's with `about`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
