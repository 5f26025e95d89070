"""Pages for what works with words: search in what was said, and the coach of the workbook."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api_stub.auth import Asker, DatabaseHere, SettingsHere, in_area
from api_stub.contract import Id
from api_stub.dashboard.rendering import render
from api_stub.search import search
from db import chat, status
from db.permissions import Area
from pipelines import coach
from pipelines.coach import Section
from pipelines.coaching import QUESTIONS

router = APIRouter(include_in_schema=False)
_Searcher = Annotated[Asker, Depends(in_area(Area.SEARCH))]
_Owner = Annotated[Asker, Depends(in_area(Area.WORKBOOK))]
_CONVERSATIONS, _SEARCHES, _MESSAGES = 20, 8, 200
_MOST_QUERY = 1000


@router.get("/search", response_class=HTMLResponse)
def search_page(request: Request, person: _Searcher, database: DatabaseHere, config: SettingsHere, query: str = "") -> Response:
    """What was said about the query, each passage a link to its moment; without one, what was searched for before."""
    asked = query.strip()[:_MOST_QUERY]
    found = search(database, config, person.id, asked, limit=20) if asked else None
    with database.tenant(person.id) as session:
        earlier = chat.list_searches(session, user_id=person.id, limit=_SEARCHES)
    past = list(dict.fromkeys(row["query"] for row in earlier if row["query"] != asked))
    return render(request, "search.html", query=asked, found=found, past=past)


@router.get("/coach", response_class=HTMLResponse)
def coach_page(request: Request, owner: _Owner, database: DatabaseHere) -> Response:
    """A question to the coach, and the conversations of before."""
    with database.tenant(owner.id) as session:
        conversations = chat.list_conversations(session, limit=_CONVERSATIONS)
    shown: dict[str, Any] = {"conversations": conversations, "conversation": None, "messages": [], "job": None}
    return render(request, "coach.html", sections=list(QUESTIONS), **shown)


@router.get("/coach/{conversation_id}", response_class=HTMLResponse)
def conversation_page(request: Request, conversation_id: Id, owner: _Owner, database: DatabaseHere) -> Response:
    """A conversation, its last reply as far as it is written. Raises NotFound."""
    with database.tenant(owner.id) as session:
        conversation = chat.get_conversation(session, conversation_id)
        # Before the messages: the page of a job that has ended looks no more, and has the whole reply.
        jobs = status.list_jobs(session, subject=f"conversation:{conversation_id}", limit=1)
        messages = chat.list_messages(session, conversation_id, limit=_MESSAGES)
    job = jobs[0] if jobs else None
    shown = {"conversations": [], "conversation": conversation, "messages": messages, "job": job}
    return render(request, "coach.html", sections=list(QUESTIONS), **shown)


@router.post("/coach")
def ask_coach_here(
    owner: _Owner,
    database: DatabaseHere,
    section: Annotated[Section, Form()],
    message: Annotated[str, Form(min_length=1, max_length=8000)],
    conversation_id: Annotated[int | None, Form(ge=1, lt=2**31)] = None,
) -> Response:
    """The form: ask, and show the conversation. Raises NotFound."""
    with database.tenant(owner.id) as session:
        started = coach.start(
            session,
            user_id=owner.id,
            section=section,
            action="ask",
            answers={},
            message=message,
            conversation_id=conversation_id,
        )
    return RedirectResponse(f"/coach/{started.conversation_id}#last", 303)
