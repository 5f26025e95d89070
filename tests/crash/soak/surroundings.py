"""What happens around the processes: Redis away, disks full, links slow, silent or cut, clocks that jump."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from tests.crash.soak import disks
from tests.crash.soak.stage import LINKED, WORKERS, soak_folder
from tests.crash.soak.words import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.crash.soak.faults import Faults
    from tests.crash.soak.links import Link

_AWAY_LEASES = (3, 12)  # of ten seconds: 30 to 120 s
_SLOW_LEASES = (1 / 200, 1 / 60)
LOG_FULL = "disk full of wal"
_LOG_SECONDS = 1.0
_LOG_DEATHS = 3  # after 0.2, 0.4 and 0.8 s, at most
_USE_LOG = "SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()"


def surroundings(faults: Faults) -> dict[str, Callable[[], bool]]:
    """The deeds that are possible here, by name."""
    deeds: dict[str, Callable[[], bool]] = {"valkey away": partial(_take_redis_away, faults)}
    for server in ("postgres", "valkey"):
        for name, harm in (("slow", _slow), ("silent", _silence), ("cut", _cut)):
            deeds[f"link to {server} {name}"] = partial(_harm_link, faults, server, harm)
    for disk in faults.stage.small_disks:
        deeds[f"disk full {disk.name}"] = partial(_fill_log if disk.name == "wal" else _fill, faults, disk)
    if library := _find_faketime():
        deeds["clock jumps scheduler"] = partial(_jump, faults, ("scheduler",), library)
        deeds["clock jumps worker"] = partial(_jump, faults, tuple(WORKERS), library)
    else:
        tell("no clock will jump: libfaketime is not installed")
    return deeds


def _take_redis_away(faults: Faults) -> bool:
    """Nobody is answered, and half the time it comes back with nothing."""
    if faults.process_of("valkey") is None:
        return False
    seconds = faults.random.uniform(*_AWAY_LEASES) * faults.stage.lease_seconds
    forgets = faults.random.random() < 0.5
    there = faults.stage.redis_socket
    away = there.with_name("away")
    with faults.stage.redis() as client:
        client.ping()  # connected
        there.rename(away)
        client.client_kill_filter(_type="pubsub")
        client.client_kill_filter(_type="normal", skipme=True)

    def bring_back() -> None:
        away.rename(there)
        if forgets:
            with faults.stage.redis() as client:
                client.flushall()

    faults.away("valkey", seconds, bring_back)
    return faults.note("away", "valkey", seconds=seconds)


def _harm_link(faults: Faults, server: str, harm: Callable[[Faults, Link], float]) -> bool:
    process = faults.random.choice(LINKED)
    name = f"link of {process} to {server}"
    if faults.is_away(name):
        return False
    loses_steps = harm is not _slow and process in WORKERS and server == "postgres"  # a claim whose answer is lost is nobody's
    link = faults.stage.links.at[process, server]
    seconds = harm(faults, link)
    faults.away(name, seconds, link.mend)
    word = {_slow: "slow", _silence: "silent", _cut: "cut"}[harm]
    return faults.note(f"link to {server} {word}", process, loses_steps=loses_steps, seconds=seconds)


def _slow(faults: Faults, link: Link) -> float:
    link.slow_down(faults.random.uniform(*_SLOW_LEASES) * faults.stage.lease_seconds)
    return 2 * faults.long_seconds()


def _silence(faults: Faults, link: Link) -> float:
    """As when a cable is out: nobody is told, until everything comes at once, or every connection has ended."""
    seconds = faults.long_seconds()
    link.stall()
    if faults.random.random() < 0.5:
        faults.after(seconds - 0.1, link.cut)
    return seconds


def _cut(faults: Faults, link: Link) -> float:
    link.cut()
    return faults.random.uniform(0, 1 / 3) * faults.stage.lease_seconds


def _fill(faults: Faults, disk: Path) -> bool:
    # A server that is killed over a full disk cannot recover before there is room: the runner would give up, as it says.
    name = "postgres" if disk.name == "rows" else disk.name
    if faults.is_away(name):
        return False
    folder = faults.stage.inside(disk)
    disks.fill(folder)
    seconds = faults.long_seconds()
    faults.away(name, seconds, partial(disks.relieve, folder))
    return faults.note(f"disk full of {disk.name}", loses_steps=disk.name == "rows", seconds=seconds)


def _fill_log(faults: Faults, disk: Path) -> bool:
    """The server dies of it, and of every attempt to recover: there is room again before the runner gives up."""
    if faults.process_of("postgres") is None or not faults.may_die("postgres", _LOG_DEATHS):
        return False
    folder = faults.stage.inside(disk)
    disks.fill(folder)
    with suppress(OperationalError), faults.stage.database.engine.connect() as connection:
        while True:
            connection.exec_driver_sql(_USE_LOG)
    faults.after(_LOG_SECONDS, partial(disks.relieve, folder))
    faults.spare("postgres")
    return faults.note(LOG_FULL, loses_steps=True, seconds=_LOG_SECONDS)


def _jump(faults: Faults, names: Sequence[str], library: Path) -> bool:
    """Another takes the place of one of them, whose clock goes forth by an hour, and back."""
    name = faults.random.choice(names)
    clock = soak_folder(faults.stage.home) / f"{name}.clock"
    clock.write_text("+0")
    awake = faults.replace(
        name,
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_CACHE_DURATION="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    if awake is None:
        return False
    seconds = faults.long_seconds()
    faults.after(seconds / 3, partial(clock.write_text, "+3600"))
    faults.after(2 * seconds / 3, partial(clock.write_text, "+0"))
    return faults.note("clock jumps", name, loses_steps=name in WORKERS, seconds=seconds + faults.stage.lease_seconds)


def _find_faketime() -> Path | None:
    """That of the wheel, or Debian's."""
    found = importlib.util.find_spec("libfaketime")
    places = [Path(place).rglob("libfaketime.so.1") for place in (found.submodule_search_locations or ())] if found else []
    debian = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return next((path for paths in (*places, debian) for path in paths), None)
