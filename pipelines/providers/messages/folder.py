"""The outbox: messages as files, which any mail program opens."""

import os
from email.utils import localtime
from pathlib import Path

from pipelines.providers.messages.base import Message, as_mail


class Folder:
    """A folder of this machine."""

    name = "outbox"
    provider = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, message: Message) -> bool:
        return self._path(message).is_file()

    def send(self, message: Message) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        mail = as_mail(message, "askstephen@localhost")
        mail["Date"] = localtime()
        partial = self._path(message).with_suffix(f".partial-{os.getpid()}")
        partial.write_bytes(mail.as_bytes())
        partial.replace(self._path(message))

    def _path(self, message: Message) -> Path:
        return self._folder / f"{message.id}.eml"
