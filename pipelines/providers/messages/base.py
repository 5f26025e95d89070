"""What is told to a user, and what a place needs that it is told at."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell. `id` is the same whenever it is sent again, so that a receiver can tell."""

    id: str
    kind: str
    user_id: str
    address: str | None  # of e-mail, where the user has one
    subject: str
    text: str
    data: Mapping[str, object]  # the same for programs


class Channel(Protocol):
    """A place. Raises Refused where the user has to act, Misconfigured, Unavailable."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def provider(self) -> str | None:
        """Whose limits and breakers its calls are under (`ctx.calls`); None when it calls nobody."""

    def find(self, message: Message) -> bool:
        """Whether it was sent, as far as this place can tell."""

    def send(self, message: Message) -> None:
        """Send it."""


def as_mail(message: Message, sender: str) -> EmailMessage:
    """The message as an e-mail, whatever its words hold."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.subject.split())[:200]
    mail["From"] = sender
    if message.address:
        mail["To"] = message.address
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2].strip('<> ') or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday reply comes back
    mail.set_content(message.text)
    return mail
