"""What /v1 offers of each table; docs/api.md says of which nothing, or not everything, and why."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping, Table
from sqlalchemy.orm import Session

from api_stub.tables import Resource, delete_own, insert_own, routes, update_own
from db import chat, workbook
from db.base import chat as chats
from db.base import competitors as readings
from db.base import connections, leads
from db.base import videos as studio
from db.base import workbook as sections
from db.leads import clients, found
from db.leads import schedules as lead_schedules
from db.permissions import Area

_TOKENS = ("access_token", "refresh_token", "token_expires_at", "metadata")
_KEPT_BY_US = {"id", "user_id", "company_id", "workbook_id", "created_at", "updated_at"}


def _insert_message(session: Session, user: str, values: dict[str, Any]) -> RowMapping:
    return chat.insert_message(session, values.pop("conversation_id"), user_id=user, **values)


def _insert_client(session: Session, user: str, values: dict[str, Any]) -> RowMapping:
    return clients.insert_client(session, values, user_id=user, company_id=values.pop("company_id", None))


def _insert_lead_schedule(session: Session, user: str, values: dict[str, Any]) -> RowMapping:
    return lead_schedules.insert_schedule(session, values.pop("client_id"), values, user_id=user)


def _update_section(section: str) -> Callable[[Session, int, dict[str, Any]], RowMapping]:
    return lambda session, row_id, values: workbook.update_section(session, section, row_id, values)


def _delete_section(section: str) -> Callable[[Session, int], None]:
    return lambda session, row_id: workbook.delete_section(session, section, row_id)


def _section(section: str, table: Table, one: str) -> Resource:
    """Written first through /api/workbook, where each person and company has one; changed and removed here as well."""
    return Resource(
        table=table,
        one=one,
        area=Area.WORKBOOK,
        filters=("company_id", "status", *(("business_area",) if section == "swot" else ())),
        changed=tuple(column.name for column in table.columns if column.name not in _KEPT_BY_US | {"business_area"}),
        update=_update_section(section),
        delete=_delete_section(section),
    )


_CLIENT = ("business_type", "google_business_url", "zip_code", "city", "state", "notes", "is_active")
_RHYTHM = ("interval_days", "day_of_week", "day_of_month", "run_hour", "timezone", "is_active")
_CATEGORY = ("industry", "category", "referral_trigger", "description")
RESOURCES = (
    Resource(
        table=studio.videos,
        one="video row",
        area=Area.STUDIO,
        filters=("status", "confidentiality_status", "privacy_status", "parent_video_id", "company_id"),
        hidden=("transcript", "captions", "youtube_response", "confidentiality_issues"),
    ),
    Resource(
        table=studio.video_ingest_requests,
        one="ingest request row",
        area=Area.STUDIO,
        filters=("status", "provider", "video_id", "company_id"),
        hidden=("downloaded_path",),
    ),
    Resource(
        table=studio.confidentiality_checks,
        one="confidentiality check",
        area=Area.STUDIO,
        filters=("video_id", "status", "overall_status"),
    ),
    Resource(table=studio.youtube_channels, one="youtube channel", area=Area.STUDIO),
    Resource(table=studio.user_channels, one="user channel", area=Area.STUDIO, filters=("channel_id",)),
    Resource(
        table=connections.cloud_connections,
        one="cloud connection row",
        area=Area.CONNECTIONS,
        filters=("provider", "company_id"),
        hidden=_TOKENS,
    ),
    Resource(
        table=connections.user_social_accounts,
        one="social account",
        area=Area.CONNECTIONS,
        filters=("platform", "company_id"),
        hidden=_TOKENS,
    ),
    Resource(
        table=chats.conversations,
        one="conversation",
        filters=("company_id",),
        needed=("title",),
        written=("company_id",),
        changed=("title",),
        insert=insert_own(chats.conversations),
        update=update_own(chats.conversations),
        delete=delete_own(chats.conversations),
    ),
    Resource(
        table=chats.messages,
        one="message",
        filters=("conversation_id", "role"),
        needed=("conversation_id", "role", "content"),
        insert=_insert_message,
        delete=delete_own(chats.messages),
    ),
    Resource(
        table=chats.search_queries,
        one="search query",
        area=Area.SEARCH,
        filters=("company_id",),
        delete=delete_own(chats.search_queries),
    ),
    Resource(table=sections.workbook_progress, one="workbook", area=Area.WORKBOOK, filters=("company_id", "status")),
    _section("core-value", sections.core_values, "core value"),
    _section("swot", sections.workbook_swot_analyses, "workbook swot analysis"),
    _section("root-cause", sections.root_cause_charts, "root cause chart"),
    _section("time-audit", sections.time_audits, "time audit"),
    _section("action-plan", sections.action_plans, "action plan"),
    Resource(
        table=sections.ai_coach_conversations,
        one="coaching",
        area=Area.WORKBOOK,
        filters=("section", "company_id"),
        delete=delete_own(sections.ai_coach_conversations),
    ),
    Resource(
        table=leads.leads_clients,
        one="lead client",
        area=Area.LEADS,
        filters=("business_type", "is_active", "company_id"),
        needed=("name", "address", "keyword"),
        written=(*_CLIENT, "company_id"),
        changed=("name", "address", "keyword", *_CLIENT),
        insert=_insert_client,
        update=clients.update_client,
        delete=clients.delete_client,
    ),
    Resource(
        table=leads.leads_searches,
        one="lead search",
        area=Area.LEADS,
        filters=("client_id", "status", "company_id"),
        delete=delete_own(leads.leads_searches),
    ),
    Resource(
        table=leads.leads_search_schedules,
        one="lead search schedule",
        area=Area.LEADS,
        filters=("client_id", "is_active", "company_id"),
        needed=("client_id", "schedule_type"),
        written=_RHYTHM,
        changed=("schedule_type", *_RHYTHM),
        insert=_insert_lead_schedule,
        update=lead_schedules.update_schedule,
        delete=lead_schedules.delete_schedule,
    ),
    Resource(
        table=leads.business_leads,
        one="business lead",
        area=Area.LEADS,
        filters=(
            *("client_id", "search_id", "status", "business_type", "email_status", "category", "potential_value"),
            *("industry", "company_id"),
        ),
        hidden=("raw_data",),
        changed=tuple(sorted(found.EDITABLE)),
        update=found.update_lead,
        delete=delete_own(leads.business_leads),
    ),
    Resource(
        table=leads.leads_swot_analyses,
        one="lead swot analysis",
        area=Area.LEADS,
        filters=("client_id", "status", "company_id"),
        delete=delete_own(leads.leads_swot_analyses),
    ),
    Resource(
        table=leads.referral_partner_categories,
        one="partner category",
        area=Area.LEADS,
        filters=("industry", "category", "company_id"),
        needed=("name",),
        written=(*_CATEGORY, "company_id"),
        changed=("name", *_CATEGORY),
        insert=insert_own(leads.referral_partner_categories),
        update=update_own(leads.referral_partner_categories),
        delete=delete_own(leads.referral_partner_categories),
    ),
    Resource(
        table=readings.competitor_snapshots,
        one="competitor snapshot",
        area=Area.COMPETITORS,
        filters=("client_id", "competitor_key", "source", "company_id"),
        hidden=("raw_body_key",),
    ),
    Resource(
        table=readings.competitor_changes,
        one="competitor change",
        area=Area.COMPETITORS,
        filters=("after_snapshot_id", "change_type", "severity", "company_id"),
    ),
)
routers = [routes(resource) for resource in RESOURCES]
