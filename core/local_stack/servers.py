"""The servers of a home: PostgreSQL and Valkey on unix sockets, their data, and the lock that keeps a second start out."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import redis

from core.errors import Misconfigured
from core.local_stack.programs import (
    SAME,
    Identity,
    find_media,
    find_postgres,
    find_valkey,
    postgres_version,
    server_identity,
)

NAME = "askstephen"
_SOCKET_LIMIT = 100  # sun_path holds 107 bytes on Linux, 103 on macOS
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Program:
    """A process to start and how to stop it."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    log: Path
    environment: dict[str, str]
    identity: Identity = SAME
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL  # sent by the kernel when the runner dies

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; its words go to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.identity.command(list(self.argv), death_signal=self.death_signal),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@dataclass(slots=True)
class Servers:
    """Started on entry, stopped on exit. `environment` is what clients need: DATABASE_URL, REDIS_URL, PATH."""

    home: Path
    durable: bool = True  # False for tests: a crash of the machine may lose data
    database_url: str = field(default_factory=lambda: os.environ.get("DATABASE_URL", ""))  # none: a server is started
    redis_url: str = field(default_factory=lambda: os.environ.get("REDIS_URL", ""))
    programs: list[Program] = field(default_factory=list)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    _lock: int = -1

    def __enter__(self) -> Self:
        self.home = self.home.absolute()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(f"{self.home} cannot be written ({error.strerror}): pass --home with another folder") from None
        self._take_lock()
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for program in reversed(self.programs):
            process = self.running.get(program.name)
            if process is not None:
                stop(process, program.stop_signal, seconds=60)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._lock, 20).decode() or "unknown"
            os.close(self._lock)
            self._lock = -1
            raise Misconfigured(
                f"another `askstephen` (process {holder}) runs on {self.home}: stop it, or pass --home with another folder"
            ) from None
        os.truncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def _start(self) -> None:
        self.environment["DATABASE_URL"] = self.database_url or self._postgres()
        self.environment["REDIS_URL"] = self.redis_url or self._valkey()
        self.environment["PATH"] = f"{self._link_media()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

    def _link_media(self) -> Path:
        folder = self.home / "bin"
        folder.mkdir(exist_ok=True)
        for name in ("ffmpeg", "ffprobe"):
            (folder / name).unlink(missing_ok=True)
            if found := find_media(name):
                (folder / name).symlink_to(found)
        return folder

    def _socket_folder(self, identity: Identity, name: str, socket: str) -> Path:
        folder = self.home / "run" / name
        if len(str(folder / socket)) > _SOCKET_LIMIT:
            mark = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}-{mark}-{name}"
            if folder.is_symlink() or (folder.exists() and folder.stat().st_uid not in {os.geteuid(), identity.uid}):
                raise Misconfigured(f"{folder} belongs to somebody else: remove it, or pass a shorter --home")
        return identity.own(folder)

    def _launch(self, program: Program, ready: Callable[[], object], errors: type[Exception]) -> None:
        self.programs.append(program)
        said_before = program.log.stat().st_size if program.log.exists() else 0
        process = self.running[program.name] = program.start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                ready()
            except errors:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = program.log.read_bytes()[said_before:].decode(errors="replace")
                    raise Misconfigured(
                        f"{program.name} did not start (log: {program.log}): {' '.join(said.split())[-500:]}"
                    ) from None
                time.sleep(0.03)
            else:
                return

    def _postgres(self) -> str:
        programs = find_postgres()
        top = self.home / "postgres"
        data = top / f"data-{postgres_version(programs)}"
        identity = server_identity(top, programs / "postgres")
        identity.own(top)
        socket = self._socket_folder(identity, "pg", ".s.PGSQL.5432")
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(top)}
        if not (data / "PG_VERSION").exists():
            self._initdb(programs, data, identity, environment)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(socket),
            "unix_socket_permissions": "0700",
            "max_connections": "80",
            "shared_buffers": "64MB",
            "jit": "off",
            "timezone": "UTC",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        argv = [str(programs / "postgres"), "-D", str(data)]
        for key, value in options.items():
            argv += ["-c", f"{key}={value}"]
        program = Program(
            "postgres",
            tuple(argv),
            top,
            self.home / "logs" / "postgres.log",
            environment,
            identity,
            signal.SIGINT,
            signal.SIGINT,
        )
        admin = psycopg.conninfo.make_conninfo(host=str(socket), user=NAME, dbname="postgres")
        self._launch(program, lambda: psycopg.connect(admin).close(), psycopg.OperationalError)
        with psycopg.connect(admin, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone():
                connection.execute(f'CREATE DATABASE "{NAME}"')
        return f"postgresql://{NAME}@/{NAME}?host={socket}"

    def _initdb(self, programs: Path, data: Path, identity: Identity, environment: dict[str, str]) -> None:
        made = data.with_name("init.tmp")  # an interrupted initdb leaves no half-made cluster
        shutil.rmtree(made, ignore_errors=True)
        argv = [
            *(str(programs / "initdb"), "-D", str(made), "-U", NAME, "-E", "UTF8", "--locale=C", "--no-instructions"),
            *("--auth-local=trust", "--auth-host=reject"),
            *(() if self.durable else ("--no-sync",)),
        ]
        if postgres_version(programs) >= 17:  # noqa: PLR2004  (the release that brought this provider)
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = identity.command(argv, death_signal=signal.SIGKILL)
        done = subprocess.run(command, cwd=data.parent, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            free_bytes = shutil.disk_usage(data.parent).free
            raise Misconfigured(
                f"PostgreSQL could not make its data folder {data}, where {free_bytes / 1e6:.0f} MB are free: "
                f"{' '.join(done.stderr.split())[-500:]}"
            )
        made.rename(data)

    def _valkey(self) -> str:
        program_path = find_valkey()
        data = self.home / "valkey"
        identity = server_identity(data, program_path)
        identity.own(data)
        socket = self._socket_folder(identity, "valkey", "s") / "s"
        argv = [
            *(str(program_path), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(data)),
            *("--save", "", "--appendonly", "yes" if self.durable else "no", "--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction", "--hz", "5"),
        ]
        log = self.home / "logs" / "valkey.log"
        program = Program("valkey", tuple(argv), data, log, {"PATH": os.defpath}, identity, signal.SIGTERM, signal.SIGTERM)
        client = redis.Redis(unix_socket_path=str(socket))
        with contextlib.closing(client):
            self._launch(program, client.ping, redis.RedisError)
        return f"unix://{socket}?db=0"


def check_redis(url: str) -> None:
    """Return once it answers. Raises Misconfigured."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, retry=None) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise Misconfigured(f"REDIS_URL is set, but nothing answers there ({error}): start it, or unset it") from None


def stop(process: subprocess.Popen[bytes], stop_signal: int, *, seconds: float) -> None:
    """Ask once, wait, then kill its session."""
    if process.poll() is None:
        process.send_signal(stop_signal)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_session(process)


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started in its session, now."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
