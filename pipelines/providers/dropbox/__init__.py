"""Dropbox: the files of a person's account, by the official client."""

from pipelines.providers.dropbox.files import DropboxFiles

CLOUD = PROVIDER = DropboxFiles()
