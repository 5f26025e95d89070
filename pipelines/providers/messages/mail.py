"""Messages as e-mail to the user's own address, by SMTP."""

import smtplib
import ssl
from email.utils import localtime
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from core.errors import Misconfigured, Refused, Unavailable
from pipelines.providers.messages.base import Message, as_mail

_PROVIDER = "email"
_SECONDS = 20.0
_PERMANENT = 500  # SMTP's 5xx; 4xx says later
_HERE = {"localhost", "127.0.0.1", "::1"}


class Mail:
    """An SMTP server: smtps://, or smtp:// with STARTTLS, which only a server on this machine may lack.

    It cannot be asked what came: what may have come is sent again with the same Message-ID.
    """

    name = "e-mail"
    provider = _PROVIDER

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise Misconfigured("SMTP_URL must be smtp://user:password@host:587 or smtps://user:password@host")
        self._host, self._port, self._is_tls = parts.hostname, parts.port or 0, parts.scheme == "smtps"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender

    def find(self, message: Message) -> bool:  # noqa: ARG002
        return False

    def send(self, message: Message) -> None:
        if not message.address:
            raise Refused("You have no e-mail address here, so this message could not be sent.")
        mail = as_mail(message, self._sender)
        mail["Date"] = localtime()
        try:
            with self._open() as server:
                server.send_message(mail)
        except smtplib.SMTPAuthenticationError:
            raise Misconfigured("the mail server does not take the user and password of SMTP_URL") from None
        except smtplib.SMTPRecipientsRefused as error:
            self._fail(*next(iter(error.recipients.values())))
        except smtplib.SMTPResponseException as error:
            self._fail(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            raise Misconfigured(f"the mail server at {self._host} cannot do what is needed: {error}") from None
        except (OSError, smtplib.SMTPException) as error:
            words = f"the mail server at {self._host} cannot be reached: {type(error).__name__}"
            raise Unavailable(words, provider=_PROVIDER) from error

    def _open(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port or 587, timeout=_SECONDS)
        try:
            server.ehlo()
            if not self._is_tls and (self._host not in _HERE or server.has_extn("starttls")):
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _fail(self, code: int, said: bytes | str) -> NoReturn:
        words = said.decode(errors="replace") if isinstance(said, bytes) else said
        words = f"{code} {' '.join(words.split())[:200]}"
        if code >= _PERMANENT:
            raise Refused(f"The mail server does not take this message: {words}")
        raise Unavailable(f"the mail server at {self._host} says later: {words}", provider=_PROVIDER)
