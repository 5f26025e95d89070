"""YouTube through Google's own client: uploads that go on where they broke off, and what is done with a video that is there."""

from pipelines.providers.youtube.account import ACCOUNT
from pipelines.providers.youtube.channel import YouTube

__all__ = ["ACCOUNT", "YouTube"]
