"""Asks something of the outside that is answered later, by a message, without holding a thread meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from core.errors import Refused, Replaced, Snoozed
from db import awaited, jobs
from db.awaited import Question
from pipelines.context import Context

_SOONEST = timedelta(seconds=5)


def ask(ctx: Context, question: Question, *, within: timedelta, send: Callable[[str], object]) -> Any:  # noqa: ANN401  (the answer)
    """The answer. `send` gets the id of the message, the same whenever it is sent again, and returns the answer or None: later.

    The step begins anew when the answer is there, or too late. Raises Snoozed until then; Refused when `within` has passed, from
    when on a retry of the step asks again; and what `send` raises.
    """
    with ctx.database.jobs() as session:
        if not jobs.holds(session, ctx.held):
            raise Replaced(f"another attempt holds step {ctx.held.step}")
        number = awaited.expect(
            session, question, user_id=ctx.held.owner_id, job_id=ctx.held.job_id, step=ctx.held.step, within=within
        )
    message_id = f"{question.kind}-{question.name}-{number}"

    def make() -> object:
        at_once = send(message_id)
        if at_once is not None:
            with ctx.database.jobs() as session:
                awaited.answer(session, question.kind, question.name, at_once, message_id=message_id)
        return {"asked": message_id}

    # Nobody can be asked whether the message came: it is sent again under the same id.
    ctx.effect(question.kind, key=message_id, make=make, find=lambda: None)
    with ctx.database.jobs() as session:
        standing = awaited.look(session, question)
        if standing.answer is not None:
            return standing.answer
        if standing.left > timedelta(0):
            # The message wakes the step. One that comes just before it sleeps is found at most as late again as it was waited for.
            delay = min(max(_SOONEST, standing.waited), standing.left)
            raise Snoozed("it waits for an answer from outside", delay=delay)
        if not awaited.give_up(session, question):
            return awaited.look(session, question).answer
    raise Refused(f"No answer came within {_told(within)}. Please try again, or ask who runs the workflow.")


def _told(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    return f"{minutes} minutes" if minutes != 1 else "a minute"
