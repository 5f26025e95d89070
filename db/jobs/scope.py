"""What a pause or a limit is of."""

from enum import StrEnum


class Scope(StrEnum):
    """What an operator's rule names: one of these, by the name that steps carry."""

    QUEUE = "queue"
    PIPELINE = "pipeline"
    OWNER = "owner"
    PROVIDER = "provider"
