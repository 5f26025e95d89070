"""Leads and intelligence."""

from tests.contract.route import Route

AWAITED: set[str] = {
    "GET /leads/clients",
    "POST /leads/clients",
    "DELETE /leads/clients/:id",
    "GET /leads/clients/:id/swot",
    "POST /leads/clients/:id/swot",
    "GET /leads/clients/:id/searches",
    "POST /leads/clients/:id/search",
    "POST /leads/webhook/results",
    "POST /intel/analyze",
    "POST /intel/callback",
    "GET /intel/results/:clientId",
}

ROUTES: list[Route] = []
