"""Dropbox: the files of a person's account, by the official client."""

from pipelines.providers.dropbox.account import ACCOUNT
from pipelines.providers.dropbox.files import DropboxFiles

__all__ = ["ACCOUNT", "CLOUD", "PROVIDER"]
CLOUD = PROVIDER = DropboxFiles()
