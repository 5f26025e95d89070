"""`doctor`: what is found, what is missing, what to do, and whether each engine really works."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from api_stub.cli import settings_of
from core.children import Run
from core.errors import AskStephenError, Misconfigured
from core.local_stack.programs import find_media, find_postgres, find_valkey
from core.local_stack.servers import check_redis
from core.log import configure_log
from core.sandbox.isolation import isolation
from core.sandbox.run import Sandbox
from core.settings import Settings
from pipelines.providers import ffmpeg, ocr, rules, whisper
from pipelines.providers.language import get_language
from pipelines.providers.sample import SAMPLES
from pipelines.transcript import Transcript, Word

_ROOM_BYTES = 5 << 30
_INSTALL_MEDIA = "run ./askstephen up once, or install it (Debian: apt-get install ffmpeg)"


def doctor(options: argparse.Namespace) -> int:
    """Status 0 when everything that `up` needs is there and works."""
    configure_log(form="console", level="warning")
    config = settings_of(options)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Python", lambda: f"{sys.version.split()[0]} ({sys.executable})"),
        ("PostgreSQL", lambda: _postgres(config.database_url.get_secret_value())),
        ("Valkey", lambda: _valkey(config.redis_url.get_secret_value())),
        ("ffprobe", _probe_sample),
        ("ffmpeg", _encode_sample),
        ("speech", lambda: _listen(config)),
        ("screen", _read_screen),
        ("review", _review),
        ("language", lambda: _language(config)),
        ("sandbox", _isolation),
        ("disk", lambda: _room(config.home)),
    ]
    return max([_tell(name, look) for name, look in checks])


def _tell(name: str, look: Callable[[], str]) -> int:
    try:
        print(f"ok       {name:<11} {look()}", flush=True)
    except AskStephenError as error:
        print(f"MISSING  {name:<11} {error}", flush=True)
        return 1
    return 0


def _postgres(url: str) -> str:
    if not url:
        return f"{_version(find_postgres() / 'postgres', '--version')}, started by `up`"
    try:
        with psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5) as connection:
            return f"server {connection.info.server_version // 10_000} at DATABASE_URL"
    except psycopg.Error as error:
        raise Misconfigured(
            f"DATABASE_URL is set, but nothing answers there ({type(error).__name__}): start it, or unset it"
        ) from error


def _valkey(url: str) -> str:
    if not url:
        return f"{_version(find_valkey(), '--version')}, started by `up`"
    check_redis(url)
    return "answers at REDIS_URL"


def _probe_sample() -> str:
    if find_media("ffprobe") is None:
        raise Misconfigured(f"ffprobe was not found: {_INSTALL_MEDIA}")
    with _run() as (run, _):
        found = ffmpeg.probe(run, SAMPLES / "clear.mp4")
    return f"reads the sample in the sandbox: {found.duration_seconds:.2f} s of {found.video.codec}"


def _encode_sample() -> str:
    if find_media("ffmpeg") is None:
        raise Misconfigured(f"ffmpeg was not found: {_INSTALL_MEDIA}")
    build = ffmpeg.build_info()
    lacks = [name for name, there in (("libx264", build.libx264), ("aac", build.aac)) if not there]
    if lacks:
        raise Misconfigured(f"{build.path} was built without {', '.join(lacks)}: put another ffmpeg on PATH, or none")
    with _run() as (run, folder):
        found = ffmpeg.probe(run, SAMPLES / "clear.mp4")
        ladder = ffmpeg.make_ladder(run, SAMPLES / "clear.mp4", found, folder, progress=lambda _share: None)
        ffmpeg.verify_ladder(run, folder, ladder, found)
    tone_mapping = "" if build.zscale else "; without zscale: HDR is converted coarsely"
    return f"{build.version.partition(' Copyright')[0]} makes and decodes a ladder of {len(ladder.rungs)} sizes{tone_mapping}"


def _listen(config: Settings) -> str:
    with _run() as (run, folder):
        source, sound = SAMPLES / "clear.mp4", folder / "sound.wav"
        ffmpeg.extract_audio(run, source, ffmpeg.probe(run, source), sound)
        transcript = whisper.transcribe(
            run, sound, folder=folder, model=config.whisper_model, threads=config.whisper_threads, progress=lambda _share: None
        )
    if not transcript.words:
        raise Misconfigured(f"{transcript.engine} heard nothing in the sample: set WHISPER_MODEL to another model, or unset it")
    return f"{transcript.engine} hears {len(transcript.words)} words in the sample"


def _review() -> str:
    said = ("my", "password", "is", "open", "sesame")
    words = tuple(Word(word, index / 2, index / 2 + 0.4, 1.0) for index, word in enumerate(said))
    found = rules.review(Transcript(words, (), len(said) / 2, "en", "doctor"), has_sound=True, content_hash="doctor")
    if found.clear:
        raise Misconfigured("the rules did not find a spoken password: the installation is damaged, clone it again")
    return f"{found.model_used} finds a spoken password"


def _read_screen() -> str:
    with _run() as (run, folder):
        source = SAMPLES / "clear.mp4"
        taken = ffmpeg.take_pictures(run, source, ffmpeg.probe(run, source), folder / "screen", most=1)
        screen = ocr.read_pictures(run, taken, threads=1, progress=lambda _share: None)
    lines = sum(len(frame.lines) for frame in screen.frames)
    if not lines:
        raise Misconfigured(
            f"{screen.engine} read nothing on the sample's first slide: remove .venv and run ./askstephen again"
        )
    return f"{screen.engine} reads {lines} lines of the sample's first slide"


@dataclass(frozen=True)
class _Alive:
    is_alive: bool


def _language(config: Settings) -> str:
    language = get_language(config)
    if language.is_offline:
        return f"{language.name} (set OPENAI_API_KEY or OPENAI_BASE_URL for one)"
    language.ask(_Alive, "Answer that you are alive.", "doctor", by_rules=lambda: _Alive(is_alive=True))
    return f"{language.name} answers in the asked form"


def _isolation() -> str:
    found = isolation()
    if not found.possible:
        raise Misconfigured(found.sentence)
    return found.sentence


def _room(home: Path) -> str:
    at = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(at).free
    if free < _ROOM_BYTES:
        raise Misconfigured(f"only {free / 1e9:.1f} GB are free at {at}: make room, or pass --home with another disk")
    if not at.is_dir() or not os.access(at, os.W_OK):
        raise Misconfigured(f"{at} cannot be written: pass --home with another folder")
    return f"{free / 1e9:.0f} GB free at {at}"


@contextmanager
def _run() -> Iterator[tuple[Run, Path]]:
    """A sandboxed run in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="askstephen-doctor-") as made:
        Path(made).chmod(0o711)
        folder = Path(made) / "attempt"
        folder.mkdir()
        yield partial(Sandbox(mode=Settings().sandbox).run, folder=folder), folder


def _version(program: Path, flag: str) -> str:
    done = subprocess.run([program, flag], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Misconfigured(f"{program} does not run: {done.stderr.strip()[-200:]}")
    return done.stdout.splitlines()[0].partition(" sha=")[0]
