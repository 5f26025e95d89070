"""Google Drive: the files of a person's account, by the official client."""

from pipelines.providers.google_drive.files import GoogleDrive

CLOUD = PROVIDER = GoogleDrive()
