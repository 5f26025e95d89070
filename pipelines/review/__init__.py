"""A language model as a second reviewer of what is said and shown: it may add to what the rules find, never take away."""

from pipelines.review.reader import Reader
from pipelines.review.units import Unit, list_units

__all__ = ["Reader", "Unit", "list_units"]
