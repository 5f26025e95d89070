"""Language models: an OpenAI-compatible endpoint where one is configured, else rules that say what they are."""

from core.settings import Settings
from pipelines.providers.language.base import BadAnswer, Declined, Language, Turn
from pipelines.providers.language.rules import Rules

__all__ = ["BadAnswer", "Declined", "Language", "Turn", "get_language"]


def get_language(config: Settings) -> Language:
    """The model that these settings name; without a key or an address, rules. Opens no connection."""
    if not config.has_language_model:
        return Rules()
    from pipelines.providers.language.endpoint import Endpoint

    return Endpoint(config)
