import pytest
from sqlalchemy import text

from tests.api_stub.conftest import app, client, config, stranger
from tests.pipelines.studio.films import ready_video, row_of

__all__ = ["app", "client", "config", "stranger"]  # fixtures
PAGE = {"accept": "text/html"}


def radio(page: str, value: str) -> str:
    return page.partition(f'value="{value}"')[2].partition(">")[0]


@pytest.mark.parametrize(("clear", "why"), [(False, "found one thing"), (None, "not checked for confidential content yet")])
def test_public_cannot_be_chosen_before_the_check_has_passed_and_the_page_says_why(
    client, database, storage, owner, clear, why
):
    video_id = ready_video(database, storage, owner, b"film", clear=clear)
    page = client.get(f"/videos/{video_id}", headers=PAGE).text
    assert [("disabled" in radio(page, value)) for value in ("private", "unlisted", "public")] == [False, True, True]
    assert why in page


def test_a_clear_video_is_published_by_the_form(client, database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film")
    assert "disabled" not in radio(client.get(f"/videos/{video_id}", headers=PAGE).text, "public")
    answer = client.post(f"/videos/{video_id}/publish", data={"privacy": "public"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/videos/{video_id}#publish")
    with database.jobs() as session:
        args = session.scalar(text("SELECT args FROM jobs.jobs WHERE pipeline = 'publish'"))
    assert (args["privacy"], row_of(database, owner, video_id)["status"]) == ("public", "publishing")
    assert "It is being published" in client.get(f"/videos/{video_id}", headers=PAGE).text


def test_a_published_video_links_to_where_it_is_and_says_why_it_is_private(client, database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film", status="published", error_message="It stays private: <b>.")
    with database.tenant(owner) as session:
        session.execute(text("UPDATE videos SET youtube_id = 'x', youtube_url = 'https://www.youtube.com/watch?v=x'"))
    page = client.get(f"/videos/{video_id}", headers=PAGE).text
    assert '<a href="https://www.youtube.com/watch?v=x"' in page
    assert "It stays private: &lt;b&gt;." in page
