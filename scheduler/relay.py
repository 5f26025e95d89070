"""Decides what may run now, and hints it to live workers. Which steps are hinted is remembered here only: the claim decides."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import redis
from sqlalchemy.exc import SQLAlchemyError

from core.hints import TURN_SECONDS, hints_key, turn_key, write_hint
from core.log import get_logger
from core.nudge import Listener
from db.engine import Database
from scheduler.ready import Ready, Situation, find_situation, list_ready
from scheduler.share import SHORTEST_SECONDS, Room, Slots, Usage, choose

_log = get_logger(__name__)
_ALIVE = "hints:alive"  # gone when Redis lost its memory, and the hints with it
_HINT_AGAIN_SECONDS = 2.0
_TOLD_AGAIN_SECONDS = 0.5  # a step that its enqueuer hinted: nobody looked whether it may start
_ALONE_AGAIN_SECONDS = 4.0  # a process starts before the step is claimed; a worker that waits for that is told in vain
_LOOK_SECONDS = 1.0
_HINT_SECONDS = 0.05  # of short steps in one hint, at most; as often are hints counted that lie before the workers: nothing tells when they run out
_WORTH_SECONDS = 0.005  # less work than this costs more to claim by itself than to wait for
_HINTS_IN_ADVANCE = 4  # of short steps, for each thread
_REST = 3.0  # between two looks at the rows, in times of what the last one took


@dataclass(frozen=True, slots=True)
class _Hinted:
    step: Ready
    again_at: float


class Relay:
    """Runs until the process ends."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=2)
        self._nudges = Listener(redis_url)
        self._hinted: dict[UUID, _Hinted] = {}
        self._told: dict[UUID, float] = {}  # until when steps that were hinted by others are not hinted here
        self._turns: set[str] = set()  # the queues of which others may hint a step
        self._threads: dict[str, int] = {}  # as the last look at the rows found them
        self._in_stock = False  # whether hints lay before the workers at the last tick
        self._usage = Usage()

    def run(self) -> None:
        """Tick every second, sooner while hints lie before the workers, and at every nudge that tells of more than one hinted step."""
        look_at = time.monotonic()
        while True:
            try:
                if not self.hear(look_at - time.monotonic()) and time.monotonic() < look_at:
                    continue
                began = time.monotonic()
                looked = self.tick()
                look_at = began + (_HINT_SECONDS if self._in_stock else _LOOK_SECONDS)
                if looked:
                    rest = _REST * (time.monotonic() - began)
                    time.sleep(min(rest, _HINT_SECONDS) if self._in_stock else rest)
            except (redis.RedisError, SQLAlchemyError) as error:
                _log.warning("relay.interrupted", error=type(error).__name__)
                self._hinted.clear()
                time.sleep(0.5)

    def hear(self, seconds: float) -> bool:
        """Wait this long for a nudge at most. Tells whether there is anything to look for."""
        heard = self._nudges.receive(seconds)
        if heard is None:
            return False
        self._told |= dict.fromkeys(heard.hinted, time.monotonic() + _TOLD_AGAIN_SECONDS)
        return heard.look

    def tick(self) -> bool:
        """Hint what may run now. Returns False where workers had so much before them that nothing needed to be looked at."""
        stocked = self._find_stocked()
        self._in_stock = bool(stocked)
        served = {queue for queue, threads in self._threads.items() if threads}  # none: a worker may have come since
        if served and stocked.issuperset(served):
            return False
        with self._database.hot() as session:
            situation = find_situation(session)
            if situation is None:
                return True
            now = time.monotonic()
            self._threads = dict(situation.threads)
            self._hinted = {step_id: hint for step_id, hint in self._hinted.items() if now < hint.again_at}
            self._told = {step_id: again_at for step_id, again_at in self._told.items() if now < again_at}
            self._usage.sample(situation, now)
            # What is hinted is ready still, and stands first: as many more are looked at.
            counts = {
                queue: room.total() + sum(hint.step.queue == queue for hint in self._hinted.values())
                for queue in situation.threads
                if queue not in stocked and (room := self._room(queue, situation)).total()
            }
            slots = Slots(situation.limits, situation.running)
            ready = list_ready(session, counts, full=slots.list_full_providers()) if counts else []
        waiting = {queue: [step for step in ready if step.queue == queue] for queue in counts}
        for queue, steps in waiting.items():
            self._hint(queue, steps, slots, situation)
        self._leave_turns(
            {queue for queue, steps in waiting.items() if not steps and situation.has_free(queue)} if slots.fit_any() else set()
        )
        return True

    def _find_stocked(self) -> set[str]:
        """The queues whose workers have hints enough before them. Where Redis lost its hints, they are forgotten here too."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(_ALIVE)
        for queue in self._threads:
            pipe.llen(hints_key(queue))
        alive, *lengths = pipe.execute()
        if not alive:
            self._hinted.clear()
            self._told.clear()
        enough = {queue: threads * _HINTS_IN_ADVANCE // 4 for queue, threads in self._threads.items()}
        return {queue for queue, length in zip(self._threads, lengths, strict=True) if length > max(1, enough[queue])}

    def _room(self, queue: str, situation: Situation) -> Room:
        slow = sum(steps.count for steps in situation.running if steps.queue == queue and situation.seconds_of(steps) is None)
        free = max(0, situation.threads[queue] - slow)
        return Room(
            slow=free,
            short_seconds=free * _HINTS_IN_ADVANCE * _HINT_SECONDS,
            shortest_seconds=situation.shortest_seconds(),
            seconds_of=situation.seconds_of,
        )

    def _hint(self, queue: str, ready: Sequence[Ready], slots: Slots, situation: Situation) -> None:
        room = self._room(queue, situation)
        threads = room.slow
        self._hinted |= {
            step.id: _Hinted(step, self._told.pop(step.id)) for step in ready if step.id in self._told and not step.alone
        }
        under_way = {step.id for step in ready if (hint := self._hinted.get(step.id)) and hint.step == step}
        # The others of the queue that were hinted are claimed, or ended.
        self._hinted = {
            step_id: hint for step_id, hint in self._hinted.items() if hint.step.queue != queue or step_id in under_way
        }
        for step_id in under_way:
            room.take(self._hinted[step_id].step)
            slots.take(self._hinted[step_id].step)
        new = [step for step in ready if step.id not in under_way]
        served = self._usage.served(queue, (step.owner_id for step in ready), situation.weights)
        chosen = choose(new, room=room, slots=slots, served=served, weights=situation.weights)
        if chosen:
            for alone in (False, True):
                hints = grouped([step for step in chosen if step.alone == alone], threads, situation)
                self._in_stock |= len(hints) > threads
                self._send(queue, hints, alone=alone)
            now = time.monotonic()
            self._hinted.update(
                (step.id, _Hinted(step, now + (_ALONE_AGAIN_SECONDS if step.alone else _HINT_AGAIN_SECONDS))) for step in chosen
            )

    def _leave_turns(self, queues: set[str]) -> None:
        """Let whoever makes one step of these queues ready hint it without asking here, and of the others nobody any more.

        Nothing waits there that it could overtake, and it takes the turn away. Pauses and all else is for the claim to see.
        """
        if queues or self._turns:
            pipe = self._redis.pipeline(transaction=False)
            for queue in queues:
                pipe.set(_ALIVE, 1)
                pipe.set(turn_key(queue), 1, px=round(1000 * TURN_SECONDS))
            for queue in self._turns - queues:
                pipe.delete(turn_key(queue))
            pipe.execute()
        self._turns = queues

    def _send(self, queue: str, hints: Sequence[Sequence[Ready]], *, alone: bool) -> None:
        if not hints:
            return
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(_ALIVE, 1)
        pipe.rpush(hints_key(queue), *(write_hint((step.id for step in hint), alone=alone) for hint in hints))
        pipe.execute()


def grouped(steps: Sequence[Ready], threads: int, situation: Situation) -> list[list[Ready]]:
    """These steps as hints, in their order: each slow one alone, the short ones together, spread over the threads in a backlog."""
    share = math.ceil(len(steps) / max(1, threads))
    hints: list[list[Ready]] = []
    filled = math.inf  # seconds of work in the last hint
    for step in steps:
        seconds = situation.seconds_of(step)
        if seconds is None or filled >= _HINT_SECONDS or (filled >= _WORTH_SECONDS and len(hints[-1]) >= share):
            hints.append([])
            filled = 0.0
        hints[-1].append(step)
        filled = math.inf if seconds is None else filled + max(seconds, SHORTEST_SECONDS)
    return hints
