"""The business workbook: how far it is, and its sections."""

from enum import StrEnum

from sqlalchemy import Column, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.schema import SchemaItem

from db.base.columns import Document, UtcDateTime, by_owner, company, created_at, key, metadata, updated_at, user, words


class WorkbookStatus(StrEnum):
    """Of a workbook as a whole; any may follow any."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"  # every section is
    ARCHIVED = "archived"


class SectionStatus(StrEnum):
    """Of one section; either may follow the other."""

    DRAFT = "draft"
    COMPLETE = "complete"


class BusinessArea(StrEnum):
    """What a SWOT analysis is about."""

    OVERALL = "overall"
    PRODUCTS_SERVICES = "products_services"
    MARKETING = "marketing"
    SALES = "sales"
    OPERATIONS = "operations"
    FINANCE = "finance"
    TERRITORY = "territory"
    PEOPLE = "people"
    TECH = "tech"
    ASSETS = "assets"
    STRUCTURE = "structure"


def _section(name: str, *columns: SchemaItem, has_status: bool = True) -> Table:
    return Table(
        name,
        metadata,
        key(),
        user(),
        company(),
        Column("workbook_id", Integer),  # of `workbook_progress`; no reference, earlier rows may name one that is gone
        *columns,
        *(words("status", SectionStatus, default=SectionStatus.DRAFT, required=True) if has_status else ()),
        created_at(),
        updated_at(),
        *by_owner(name),
    )


def _texts(*names: str) -> list[SchemaItem]:
    return [Column(name, Text) for name in names]


def _documents(*names: str) -> list[SchemaItem]:
    return [Column(name, Document) for name in names]


def _counts(*names: str) -> list[SchemaItem]:
    return [Column(name, Integer) for name in names]


def _lists(*names: str) -> list[SchemaItem]:
    return [Column(name, ARRAY(Text)) for name in names]


workbook_progress = Table(
    "workbook_progress",
    metadata,
    key(),
    user(),
    company(),
    Column("started_at", UtcDateTime, server_default=text("now()")),
    Column("last_updated", UtcDateTime, server_default=text("now()")),
    Column("completed_sections", ARRAY(Text)),
    Column("completion_percentage", Integer, server_default=text("0")),
    *words("status", WorkbookStatus, default=WorkbookStatus.IN_PROGRESS, required=True),
    created_at(),
    updated_at(),
    *by_owner("workbook_progress"),
)

core_values = _section(
    "core_values",
    *_texts("how_you_were_made", "business_given", "desire_for_customers", "problems_you_solve", "principle_at_heart"),
    *_texts("feelings_generated", "core_value_draft_1", "core_value_draft_2", "core_value_final"),
    *_lists("ai_suggestions"),
    *_documents("alignment_scores"),
)

workbook_swot_analyses = _section(
    "workbook_swot_analyses",
    *words("business_area", BusinessArea, default=BusinessArea.OVERALL, required=True),
    *_documents("strengths", "weaknesses", "opportunities", "threats"),
    *_texts("key_insight", "key_metric"),
    *_lists("ai_patterns"),
)

root_cause_charts = _section(
    "root_cause_charts",
    *_texts("before_triggers", "problem_description", "after_results"),
    *_documents("five_whys"),
    *_texts("when_where_how", "who_affected", "when_not_issue", "what_driving", "conditions_worse", "how_stop_forever"),
    *_texts("who_wins_loses", "what_stopping_us", "symptom", "root_cause", "priority_impact", "problem_statement"),
    *_lists("affected_areas"),
    *_texts("ai_root_cause_suggestion"),
)

time_audits = _section(
    "time_audits",
    Column("owner_rate", Integer, server_default=text("150")),
    *_documents("tasks"),
    *_counts("total_hours_logged", "high_value_hours", "medium_value_hours", "low_value_hours"),
    *_documents("tasks_to_delegate"),
    *_counts("hours_to_reclaim"),
    *_texts("what_to_do_with_time"),
    Column("time_management_rating", Integer, server_default=text("3")),
    *_lists("biggest_time_wasters"),
)

action_plans = _section(
    "action_plans",
    *_texts("selected_strategy", "strategy_label"),
    *_documents("milestones", "tasks", "metrics"),
    Column("quarter_start_date", UtcDateTime),
    *_documents("weekly_goals"),
    *_texts("notes"),
)

ai_coach_conversations = _section(
    "ai_coach_conversations",
    *_texts("section"),
    *_documents("messages"),
    *_lists("key_insights", "action_items"),
    has_status=False,
)
