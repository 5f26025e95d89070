import pytest

from core.errors import NotFound
from pipelines.providers.consent import Service, describe, revoke

ELSEWHERE = Service("elsewhere", "https://a.example/agree", "https://a.example/token", (), "elsewhere_id", "elsewhere_secret")


def test_a_service_that_nothing_here_speaks_to_has_its_tokens_sent_nowhere():
    with pytest.raises(NotFound, match="elsewhere"):
        describe(ELSEWHERE, "token")
    with pytest.raises(NotFound, match="elsewhere"):
        revoke(ELSEWHERE, access_token="token", refresh_token=None)
