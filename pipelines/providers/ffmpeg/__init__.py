"""Video through ffmpeg: probe a source, make a ladder of renditions, verify it, and extract sound for the speech model."""

from pipelines.providers.ffmpeg.audio import extract_audio
from pipelines.providers.ffmpeg.build import Build, build_info
from pipelines.providers.ffmpeg.cut import Cut, make_cut
from pipelines.providers.ffmpeg.facts import Audio, Probe, Video
from pipelines.providers.ffmpeg.frames import Pictures, take_pictures
from pipelines.providers.ffmpeg.ladder import Ladder, make_ladder
from pipelines.providers.ffmpeg.poster import make_poster
from pipelines.providers.ffmpeg.probe import probe
from pipelines.providers.ffmpeg.rungs import Rung
from pipelines.providers.ffmpeg.verify import Verification, verify_ladder

__all__ = [
    "Audio",
    "Build",
    "Cut",
    "Ladder",
    "Pictures",
    "Probe",
    "Rung",
    "Verification",
    "Video",
    "build_info",
    "extract_audio",
    "make_cut",
    "make_ladder",
    "make_poster",
    "probe",
    "take_pictures",
    "verify_ladder",
]
