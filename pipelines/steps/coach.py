"""The coach of the workbook: a reply that can be read while it is written, and drafts that never replace what a person wrote."""

import dataclasses
import json
import re
import time
from typing import Any

from core.settings import settings
from db import chat, workbook
from db.base.workbook import BusinessArea
from pipelines.base import step
from pipelines.coaching import DRAFTS, advice, open_questions
from pipelines.context import Context
from pipelines.providers.language import Language, Turn, get_language

_KEEP_SECONDS = 0.3  # how far a reader may be behind
_LONGEST_REPLY = 12_000
_TURNS = 20
_MOST_SUGGESTIONS = 5
_INSTRUCTIONS = """You coach the owner of a small business through a workbook, as a calm and practical adviser.
The evidence tells the section, what the owner asked for and what is written so far; the owner's messages follow it.
Answer in at most 180 words: first what is good in the answers, then what is vague, then up to three next steps as lines that
begin with "- ". Be concrete about this very business, promise no results, give no legal, tax or medical advice."""
_BULLET = re.compile(r"^\s*[-*•]\s+(.+)$", re.MULTILINE)
_OWN = {"id", "user_id", "company_id", "workbook_id", "created_at", "updated_at", "status"}


@step(queue="io", max_attempts=3)
def reply(ctx: Context) -> object:
    """Write the coach's reply into its message while it comes; one that was begun by a lost worker is begun anew."""
    language, section, reply_id = get_language(settings()), ctx.args["section"], ctx.args["reply_id"]
    _announce(ctx, language)
    with ctx.read() as session:
        said = chat.list_messages_before(session, ctx.args["conversation_id"], reply_id, limit=_TURNS)
        written = _plain(workbook.find_section(session, section, user_id=ctx.held.owner_id))
    answers = {**written, **{_column(name): value for name, value in ctx.args["answers"].items()}}
    evidence = {"section": section, "asked_for": ctx.args["action"], "answers": answers}
    turns = [Turn("user" if row["role"] == "user" else "assistant", row["content"]) for row in said]
    text, kept_at = "", 0.0
    for piece in language.tell(_INSTRUCTIONS, evidence, turns=turns, by_rules=lambda: advice(section, answers)):
        text = (text + piece.replace("\0", ""))[:_LONGEST_REPLY]
        if time.monotonic() - kept_at >= _KEEP_SECONDS:
            ctx.progress(None, "the coach writes")
            with ctx.write() as session:
                chat.set_message(session, reply_id, text)
            kept_at = time.monotonic()
    suggestions = _BULLET.findall(text)[:_MOST_SUGGESTIONS] or open_questions(section, answers)
    result = {"model_used": language.name, "suggestions": suggestions}
    exchange = [{"role": turn.role, "content": turn.text} for turn in turns[-1:]] + [{"role": "assistant", "content": text}]
    with ctx.complete(result) as session:
        chat.set_message(session, reply_id, text)
        kept = {"section": section, "messages": [*exchange, {"modelUsed": language.name}], "action_items": suggestions}
        workbook.add_coaching(session, kept, user_id=ctx.held.owner_id)
    return result


@step(queue="io", max_attempts=3)
def draft(ctx: Context) -> object:
    """Draft a section of the workbook from all of it; empty columns are filled, and what a person wrote stays."""
    language, section = get_language(settings()), ctx.args["section"]
    _announce(ctx, language)
    owner, area = ctx.held.owner_id, BusinessArea(ctx.args["business_area"])
    with ctx.read() as session:
        written = {name: _plain(workbook.find_section(session, name, user_id=owner, area=area)) for name in workbook.SECTIONS}
    kind = DRAFTS[section]
    evidence = {"business_area": area, "workbook": written}
    ctx.progress(None, "drafting")
    made: Any = language.ask(kind.shape, kind.instructions, evidence, by_rules=lambda: kind.by_rules(written))
    columns = kind.columns(made)
    told = {"draft": dataclasses.asdict(made), "modelUsed": language.name}
    result: dict[str, Any] = {"model_used": language.name, "draft": told["draft"]}
    with ctx.complete(result) as session:
        filled = workbook.save_draft(session, section, columns.own, columns.where_empty, user_id=owner, area=area)
        result["filled"] = filled  # known only now; the result is written when the block has ended
        kept = {"section": section, "messages": [{"role": "assistant", **told, "filled": filled}]}
        workbook.add_coaching(session, kept, user_id=owner)
    return result


def _announce(ctx: Context, language: Language) -> None:
    """Say what is called, and take the call from its budget, where an operator has set one."""
    if language.provider:
        ctx.calls(language.provider)
        ctx.spend(language.provider)


def _plain(row: Any) -> dict[str, Any]:  # noqa: ANN401  (a row, or None)
    """What is written in a section, without what the database adds."""
    written = {name: value for name, value in (row or {}).items() if name not in _OWN and value}
    plain: dict[str, Any] = json.loads(json.dumps(written, default=str))
    return plain


def _column(name: str) -> str:
    """`howYouWereMade` as the database has it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()
