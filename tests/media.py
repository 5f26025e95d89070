"""Test clips, made by a real ffmpeg, and a Run that is a plain child process in a folder."""

import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from core.children import Limits, Output
from core.errors import ChildDied
from pipelines.providers.ffmpeg.command import program

BEEP_HERTZ = 440
_LUMA, _LEVEL = "lavfi.signalstats.YAVG", "lavfi.astats.1.RMS_level"
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")
HDR_FILTER = "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc"
HDR_OPTIONS = (*HEVC, "-pix_fmt", "yuv420p10le")


class LocalRun:
    """Runs a child without a sandbox; counts what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[list[str]] = []
        self.inputs: list[Sequence[Path]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        inputs: Sequence[Path] = (),
        limits: Limits = Limits(),  # noqa: ARG002, B008  (a plain child has none; frozen)
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        self.calls.append(list(argv))
        self.inputs.append(inputs)
        assert all(path.exists() for path in inputs)
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            with subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
            ) as child:
                lines = []
                for line in child.stdout or ():
                    lines.append(line)
                    if on_line:
                        on_line(line.rstrip("\n"))
            errors.seek(0)
            if child.returncode < 0:
                raise ChildDied(f"{argv[0]} ended by signal {-child.returncode}", evidence={"returncode": child.returncode})
            return Output(child.returncode, "".join(lines), errors.read())


def ffmpeg(*arguments: str | Path, folder: Path | None = None) -> bytes:
    """Run ffmpeg with these arguments and return its standard output, or fail with what it said."""
    argv = [program("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(argv, check=False, capture_output=True, timeout=60, cwd=folder)
    if done.returncode:
        raise AssertionError(done.stderr.decode(errors="replace"))
    return done.stdout


def make_clip(
    path: Path,
    *,
    size: str = "320x180",
    fps: str = "30",
    seconds: float = 2,
    audio: str | None = "beep",
    audio_delay: float = 0,
    video_delay: float = 0,
    rotation: int = 0,
    pixel_shape: str = "1/1",
    vfr: bool = False,
    filters: str = "null",
    options: Sequence[str] = (),
) -> Path:
    """Make a clip of ffmpeg's moving test picture, `filters` drawn over it.

    `audio` is None, "beep" or "silence"; `options` stand before the name.
    """
    width, height = size.split("x")
    chain = f"scale={width}:{height},setsar={pixel_shape},{filters}"  # testsrc2 itself makes even sizes only
    if vfr:
        chain += ",setpts='PTS+if(mod(N,4),0,0.012/TB)',select='not(between(mod(n,20),5,9))'"
    argv = ["-itsoffset", str(video_delay), "-f", "lavfi", "-i", f"testsrc2=s={size}:r={fps}:d={seconds}"]
    if audio:
        sound = f"sine=f={BEEP_HERTZ}:d={seconds - audio_delay}" if audio == "beep" else f"anullsrc=d={seconds}"
        argv += ["-itsoffset", str(audio_delay), "-f", "lavfi", "-i", sound, "-map", "0", "-map", "1"]
    argv += ["-vf", chain, "-fps_mode", "passthrough" if vfr else "auto"]
    if "-c:v" not in options:
        argv += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p" if _is_odd(size) else "yuv420p", "-g", "30"]
    ffmpeg(*argv, *options, f"file:{path}")
    if rotation:
        turn(path, rotation)
    return path


def turn(path: Path, degrees: int) -> None:
    """Write a display matrix into an MP4's first track (ISO/IEC 14496-12 §8.3.2): players turn the picture clockwise by it."""
    sine, cosine = {90: (1, 0), 180: (0, -1), 270: (-1, 0)}[degrees]
    matrix = [cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30]
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    content[start : start + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


def _is_odd(size: str) -> bool:
    return any(int(side) % 2 for side in size.split("x"))


def truncate(path: Path, share: float) -> Path:
    """Keep only the first share of a file."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))
    return path


def make_flash(
    path: Path, *, audio_delay: float = 0, video_delay: float = 0, seconds: float = 2, options: Sequence[str] = ()
) -> Path:
    """Make a clip that turns from black to white and from silence to a tone, each one second after its own start."""
    flash = f"color=black:s=320x180:r=30:d={seconds},drawbox=color=white:t=fill:enable='gte(t,1)'"
    tone = f"sine=f={BEEP_HERTZ}:r=48000:d={seconds},volume=volume=0:enable='lt(t,1)'"
    argv = [
        "-itsoffset",
        str(video_delay),
        "-f",
        "lavfi",
        "-i",
        flash,
        "-itsoffset",
        str(audio_delay),
        "-f",
        "lavfi",
        "-i",
        tone,
    ]
    ffmpeg(*argv, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *options, f"file:{path}")
    return path


def flash_and_tone(path: Path) -> tuple[float, float]:
    """When the picture of a file turns bright and its sound becomes loud, on one clock, the sound to a millisecond."""
    with tempfile.TemporaryDirectory() as name:
        bright = ("-map", "0:v:0", "-vf", f"signalstats,{_printed(_LUMA, 'picture')}", "-f", "null", "-")
        chain = f"aresample=48000,asetnsamples=48,astats=metadata=1:reset=1,a{_printed(_LEVEL, 'sound')}"
        loud = ("-map", "0:a:0", "-af", chain, "-f", "null", "-")
        ffmpeg(*_lenient(path), "-i", path, *bright, *loud, folder=Path(name))
        return _first(Path(name, "picture"), above=100), _first(Path(name, "sound"), above=-40)


def tone_time(path: Path) -> float:
    """When the sound of a file without a picture becomes loud, to a millisecond."""
    with tempfile.TemporaryDirectory() as name:
        chain = f"asetnsamples=16,astats=metadata=1:reset=1,a{_printed(_LEVEL, 'sound')}"
        ffmpeg("-i", path, "-af", chain, "-f", "null", "-", folder=Path(name))
        return _first(Path(name, "sound"), above=-40)


def count_frames(path: Path) -> int:
    """How many frames of its picture decode."""
    lines = ffmpeg("-i", f"file:{path}", "-map", "0:v", "-f", "framecrc", "-").decode().splitlines()
    return sum(not line.startswith("#") for line in lines)


def _printed(key: str, file: str) -> str:
    return f"metadata=print:key={key}:file={file}"


def _first(printed: Path, *, above: float) -> float:
    lines = printed.read_text().splitlines()
    values = zip(lines[::2], lines[1::2], strict=True)
    return next(float(head.rpartition("pts_time:")[2]) for head, value in values if float(value.rpartition("=")[2]) > above)


def first_frame(path: Path, width: int, height: int) -> bytes:
    """The first picture of a file, scaled to this size: rows of red, green, blue."""
    scaled = ("-vf", f"scale={width}:{height}:flags=area", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return ffmpeg(*_lenient(path), "-i", path, "-map", "0:v:0", *scaled)


def _lenient(path: Path) -> list[str]:
    return ["-allowed_extensions", "ALL"] if path.suffix == ".m3u8" else []
