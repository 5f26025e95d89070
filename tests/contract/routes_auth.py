"""Who signs in with what."""

from tests.contract.route import NOBODY, Route, keys

AWAITED: set[str] = set()

ROUTES: list[Route] = [
    Route(method="GET", path="/api/clerk-config", who=NOBODY, keys=keys("publishableKey")),
    Route(
        method="GET",
        path="/api/auth/user",
        keys=keys("id email firstName lastName profileImageUrl role defaultChannelId notes createdAt updatedAt"),
    ),
]
