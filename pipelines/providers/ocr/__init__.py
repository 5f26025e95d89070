"""Text on screens, read offline by a sandboxed child."""

from pipelines.providers.ocr.read import read_pictures

__all__ = ["read_pictures"]
