"""Users, for who runs the installation."""

from tests.contract.clients import calls_of
from tests.contract.route import Route

AWAITED: set[str] = calls_of("admin")

ROUTES: list[Route] = []
