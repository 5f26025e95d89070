"""The workbook, section by section."""

from tests.contract.clients import calls_of
from tests.contract.route import Route

AWAITED: set[str] = calls_of("workbook")

ROUTES: list[Route] = []
