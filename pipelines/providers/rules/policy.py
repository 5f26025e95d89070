"""What each rule means: its category, severity and words, read once from `policy.toml`."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pipelines.providers.rules.tables import read_table


class Category(StrEnum):
    """What kind of confidence a segment breaks; stored with the product's segments."""

    PROPRIETARY = "proprietary"
    FINANCIAL = "financial"
    PERSONAL_HEALTH = "personal_health"
    COMPANY_SECRET = "company_secret"  # noqa: S105  (the product's word)
    OTHER = "other"


class Severity(StrEnum):
    """How much harm publishing a segment may do; stored with the product's segments."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for low to 2 for high: text does not sort that way."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the policy."""

    name: str
    version: int
    category: Category
    severity: Severity
    confidence: float
    reason: str
    order: int  # of its row: reasons are told in this order


@dataclass(frozen=True, slots=True)
class Policy:
    """Every rule by its name, and the version of the table."""

    version: int
    rules: dict[str, Rule]


@cache
def policy() -> Policy:
    """The policy that ships with this provider."""
    table = read_table("policy.toml")
    rows = [_rule(order, row) for order, row in enumerate(table["rules"])]
    return Policy(table["version"], {row.name: row for row in rows})


def _rule(order: int, row: dict[str, Any]) -> Rule:
    category, severity = Category(row["category"]), Severity(row["severity"])
    return Rule(row["name"], row["version"], category, severity, row["confidence"], row["reason"], order)
