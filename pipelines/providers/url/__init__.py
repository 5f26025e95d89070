"""Videos by their URL: a file is fetched as it is, anything else is what yt-dlp finds there, in the sandbox; both through the guard."""

from pipelines.providers.url.provider import Url

PROVIDER = Url()
