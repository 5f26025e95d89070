"""Speech to text by Whisper, offline: words with times, and where a voice was heard."""

from pipelines.providers.whisper.transcribe import transcribe

__all__ = ["transcribe"]
