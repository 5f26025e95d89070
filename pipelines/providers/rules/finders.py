"""Every rule that looks for something in a text."""

from pipelines.providers.rules.clients import find_clients
from pipelines.providers.rules.contact import find_contacts
from pipelines.providers.rules.credentials import find_credentials
from pipelines.providers.rules.details import join_details
from pipelines.providers.rules.health import find_health
from pipelines.providers.rules.identifiers import find_identifiers
from pipelines.providers.rules.money import find_money
from pipelines.providers.rules.phrases import find_phrases
from pipelines.providers.rules.spoken import Evidence, Spoken

_FINDERS = (
    find_clients,
    find_contacts,
    find_credentials,
    find_health,
    find_identifiers,
    find_money,
    find_phrases,
)


def list_evidence(said: Spoken) -> list[Evidence]:
    """What the rules find in this text."""
    return join_details(piece for find in _FINDERS for piece in find(said))
