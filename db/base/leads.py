"""Local leads: the businesses they are looked for, the searches, what was found, and what was made of it."""

from enum import StrEnum

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY

from db.base.columns import (
    NOBODYS_ARE_FOR_ALL,
    Document,
    Moves,
    UtcDateTime,
    by_owner,
    company,
    created_at,
    key,
    metadata,
    updated_at,
    user,
    words,
)


class ClientType(StrEnum):
    """What a business that leads are looked for is to the user."""

    IDEAL_CUSTOMER = "ideal_customer"
    COMPETITOR = "competitor"
    PARTNERING_PROSPECT = "partnering_prospect"


class SearchStatus(StrEnum):
    """Of one search for leads."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"


class ScheduleType(StrEnum):
    """How a schedule repeats."""

    INTERVAL = "interval"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class LeadType(StrEnum):
    """What a business that was found may become."""

    IDEAL_CUSTOMER = "ideal_customer"
    COMPETITOR = "competitor"
    PARTNER = "partner"
    LEAD = "lead"


class EmailStatus(StrEnum):
    """What is known of an address."""

    UNKNOWN = "unknown"
    UNVERIFIED = "unverified"
    VALID = "valid"
    INVALID = "invalid"
    CATCH_ALL = "catch_all"
    DISPOSABLE = "disposable"


class PartnerCategory(StrEnum):
    """How a partner comes by customers for us."""

    PRIMARY = "PRIMARY"
    SECONDARY = "SECONDARY"
    EVENT_BASED = "EVENT_BASED"


class PotentialValue(StrEnum):
    """What a partner may be worth."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    VERY_HIGH = "Very High"


class LeadStatus(StrEnum):
    """How far a person has come with a lead; only people set it."""

    NEW = "new"
    CONTACTED = "contacted"
    QUALIFIED = "qualified"
    CONVERTED = "converted"
    LOST = "lost"


class AnalysisStatus(StrEnum):
    """Of a SWOT analysis of leads."""

    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    ERROR = "error"


SEARCH_MOVES: Moves[SearchStatus] = {
    SearchStatus.PENDING: frozenset({SearchStatus.RUNNING, SearchStatus.COMPLETED, SearchStatus.ERROR}),
    SearchStatus.RUNNING: frozenset({SearchStatus.COMPLETED, SearchStatus.ERROR}),
    SearchStatus.COMPLETED: frozenset(),
    SearchStatus.ERROR: frozenset({SearchStatus.RUNNING, SearchStatus.COMPLETED}),  # tried again, or its results came late
}
ANALYSIS_MOVES: Moves[AnalysisStatus] = {
    AnalysisStatus.PENDING: frozenset({AnalysisStatus.GENERATING, AnalysisStatus.ERROR}),
    AnalysisStatus.GENERATING: frozenset({AnalysisStatus.COMPLETED, AnalysisStatus.ERROR}),
    AnalysisStatus.COMPLETED: frozenset(),
    AnalysisStatus.ERROR: frozenset({AnalysisStatus.GENERATING}),
}
LEAD_MOVES: Moves[LeadStatus] = {
    LeadStatus.NEW: frozenset({LeadStatus.CONTACTED, LeadStatus.QUALIFIED, LeadStatus.CONVERTED, LeadStatus.LOST}),
    LeadStatus.CONTACTED: frozenset({LeadStatus.NEW, LeadStatus.QUALIFIED, LeadStatus.CONVERTED, LeadStatus.LOST}),
    LeadStatus.QUALIFIED: frozenset({LeadStatus.CONTACTED, LeadStatus.CONVERTED, LeadStatus.LOST}),
    LeadStatus.CONVERTED: frozenset({LeadStatus.QUALIFIED, LeadStatus.LOST}),
    LeadStatus.LOST: frozenset({LeadStatus.NEW, LeadStatus.CONTACTED}),
}


def client(*, required: bool = True) -> Column[int]:
    """The business whose row it is; what is kept of a business goes with it."""
    return Column("client_id", Integer, ForeignKey("public.leads_clients.id", ondelete="CASCADE"), nullable=not required)


leads_clients = Table(
    "leads_clients",
    metadata,
    key(),
    user(),
    company(),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("keyword", Text, nullable=False),
    Column("google_business_url", Text),
    *words("business_type", ClientType, default=ClientType.IDEAL_CUSTOMER),
    Column("zip_code", Text),
    Column("city", Text),
    Column("state", Text),
    Column("notes", Text),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    created_at(),
    updated_at(),
    *by_owner("leads_clients"),
)

leads_searches = Table(
    "leads_searches",
    metadata,
    key(),
    user(),
    company(),
    client(),
    Column("keyword", Text, nullable=False),
    Column("geo", Text, nullable=False),
    Column("start_offset", Integer, nullable=False, server_default=text("0")),
    Column("search_types", ARRAY(Text), nullable=False, server_default=text("'{ideal_customer,competitor,partner}'::text[]")),
    Column("verify_emails_requested", Boolean, nullable=False, server_default=text("false")),
    *words("status", SearchStatus, default=SearchStatus.PENDING, required=True),
    Column("results", Document),
    Column("total_found", Integer),
    Column("error_message", Text),
    Column("completed_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("leads_searches"),
    Index("leads_searches_by_client", "client_id", text("id DESC")),
)

leads_search_schedules = Table(
    "leads_search_schedules",
    metadata,
    key(),
    user(),
    company(),
    client(),
    *words("schedule_type", ScheduleType, required=True),
    Column("interval_days", Integer),
    Column("day_of_week", Integer),  # 0 is Sunday
    Column("day_of_month", Integer),
    Column("run_hour", Integer, nullable=False, server_default=text("9")),
    Column("timezone", Text, nullable=False, server_default=text("'America/New_York'")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("last_run_at", UtcDateTime),
    Column("next_run_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("leads_search_schedules"),
    Index("leads_search_schedules_by_client", "client_id"),
)

business_leads = Table(
    "business_leads",
    metadata,
    key(),
    user(),
    company(),
    client(),
    Column("search_id", Integer, ForeignKey("public.leads_searches.id", ondelete="SET NULL")),
    Column("position", Integer),
    Column("title", Text, nullable=False),
    Column("place_id", Text),
    Column("address", Text),
    Column("city", Text),
    Column("state", Text),
    Column("zip", Text),
    Column("phone", Text),
    Column("website", Text),
    Column("email", Text),
    *words("email_status", EmailStatus, default=EmailStatus.UNKNOWN),
    Column("email_verified_at", UtcDateTime),
    Column("rating", Text),
    Column("review_count", Integer),
    *words("business_type", LeadType),
    Column("industry", Text),
    *words("category", PartnerCategory),
    Column("partnership_score", Integer),
    Column("partnership_factors", Document),
    Column("referral_trigger", Text),
    Column("partnership_model", Text),
    Column("approach_script", Text),
    *words("potential_value", PotentialValue),
    *words("status", LeadStatus, default=LeadStatus.NEW, required=True),
    Column("notes", Text),
    Column("raw_data", Document),
    Column(
        "edited_fields", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")
    ),  # set by people: searches leave them
    created_at(),
    updated_at(),
    # Of a place each client has one lead; one key for all would tell a user what others have found.
    UniqueConstraint("client_id", "place_id"),
    *by_owner("business_leads"),
    Index("business_leads_by_client", "client_id", text("id DESC")),
    Index("business_leads_by_search", "search_id", postgresql_where=text("search_id IS NOT NULL")),
)

leads_swot_analyses = Table(
    "leads_swot_analyses",
    metadata,
    key(),
    user(),
    company(),
    client(),
    Column("strengths", Document),
    Column("weaknesses", Document),
    Column("opportunities", Document),
    Column("threats", Document),
    Column("summary", Text),
    Column("model_used", Text),
    Column("leads_analyzed", Integer),
    *words("status", AnalysisStatus, default=AnalysisStatus.PENDING, required=True),
    Column("error_message", Text),
    Column("completed_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("leads_swot_analyses"),
    Index("leads_swot_analyses_by_client", "client_id", text("id DESC")),
)

referral_partner_categories = Table(
    "referral_partner_categories",
    metadata,
    key(),
    user(required=False),  # nobody's are for everybody
    company(),
    Column("name", Text, nullable=False),
    Column("industry", Text),
    *words("category", PartnerCategory),
    Column("referral_trigger", Text),
    Column("description", Text),
    created_at(),
    updated_at(),
    *by_owner("referral_partner_categories"),
    Index("referral_partner_categories_by_industry", "industry", "name"),
    info={NOBODYS_ARE_FOR_ALL: True},
)
