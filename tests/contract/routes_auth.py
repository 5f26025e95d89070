"""Who signs in with what."""

from tests.contract.route import Route

AWAITED: set[str] = {
    "GET /clerk-config",
    "GET /auth/user",
}

ROUTES: list[Route] = []
