"""The bundled sample: a talk with planted findings, made by `samples/make.py`."""

from pathlib import Path

from pipelines.providers.folder import Folder

SAMPLES = Path(__file__).parents[2] / "samples"
PROVIDER = Folder(lambda: SAMPLES)
