from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings, env_example

ROOT = Path(__file__).parents[2]


def test_the_example_file_is_the_one_made_from_the_settings():
    assert (ROOT / ".env.example").read_text() == env_example()


def test_settings_cannot_change_after_start():
    with pytest.raises(ValidationError):
        Settings().port = 1


def test_nothing_is_forgotten_before_it_is_archived():
    with pytest.raises(ValidationError, match="RETENTION_DAYS must not be less than HOT_DAYS"):
        Settings(hot_failed_days=90, retention_days=60)


def test_secrets_do_not_show_when_settings_are_printed():
    assert "hunter2" not in repr(Settings(database_url="postgresql://a:hunter2@h/d"))
