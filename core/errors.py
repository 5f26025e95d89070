"""The error tree. The class of an error is the decision what happens next; nobody matches on text.

AskStephenError
├── Permanent            the same input fails again: the step fails, no retry
│   ├── Refused          the input is not what was asked for; the message is meant for its owner
│   │   └── Forbidden    who asks may not do this (HTTP 403)
│   ├── NotFound         what was named is not there (HTTP 404)
│   ├── Conflict         it is there in a status that forbids this (HTTP 409)
│   ├── Invalid          a request or an argument is malformed (HTTP 422)
│   └── Misconfigured    a setting or the machine lacks something; the message says what to do
├── Transient            may work later: the step is retried with back-off (`retry_after` overrides it)
│   ├── ChildDied        a sandboxed child was killed or crashed
│   ├── Overdue          a step took longer than it may
│   ├── Unavailable      a provider is away or says wait: its other work waits too, no attempt is counted
│   └── DiskFull         no room now
├── Snoozed              not yet: run again later, no attempt is counted
├── Cancelled            somebody asked to stop this job
├── Released             this process is shutting down: the step goes back, no attempt is counted
└── Replaced             another attempt holds the step: leave nothing behind
"""

from datetime import timedelta


class AskStephenError(Exception):
    """What this platform raises on purpose. `str(error)` may be shown to an operator: ids, no secrets."""


class Permanent(AskStephenError):
    """The same input fails again."""


class Refused(Permanent):
    """The input cannot be taken; the sentence is meant for its owner."""


class Forbidden(Refused):
    """Who asks may not do this; the sentence says who may."""


class NotFound(Permanent):
    """What was named is not there, or not visible to who asks."""


class Conflict(Permanent):
    """It is there, in a status that forbids this."""


class Invalid(Permanent):
    """A request or an argument is malformed."""


class Misconfigured(Permanent):
    """A setting or the machine lacks something; the message says what to do."""


class Transient(AskStephenError):
    """May work later."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChildDied(Transient):
    """A sandboxed child was killed or crashed. `evidence` is what is known of its end."""

    def __init__(self, message: str, *, evidence: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.evidence = evidence or {}


class Overdue(Transient):
    """A step took longer than it may."""


class Unavailable(Transient):
    """A provider is away, or says when to come again (`retry_after`); with `of_owner`, to this owner only."""

    def __init__(self, message: str, *, provider: str, retry_after: timedelta | None = None, of_owner: bool = False) -> None:
        super().__init__(message, retry_after=retry_after)
        self.provider = provider
        self.of_owner = of_owner


class DiskFull(Transient):
    """No room now."""


class Snoozed(AskStephenError):
    """Not yet: run again after `delay`; no attempt is counted."""

    def __init__(self, message: str, *, delay: timedelta) -> None:
        super().__init__(message)
        self.delay = delay


class Cancelled(AskStephenError):
    """Somebody asked to stop this job."""


class Released(AskStephenError):
    """This process is shutting down; the step goes back to its queue."""


class Replaced(AskStephenError):
    """Another attempt holds the step; nothing of this one may count."""
