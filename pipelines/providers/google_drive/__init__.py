"""Google Drive: the files of a person's account, by the official client."""

from pipelines.providers import google
from pipelines.providers.google_drive.files import GoogleDrive

CLOUD = PROVIDER = GoogleDrive()
ACCOUNT = google.account("google_drive", f"{google.SCOPE}drive.readonly")
