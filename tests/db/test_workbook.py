from threading import Thread

import pytest

from core.errors import Invalid, NotFound
from db import chat, workbook
from db.base.workbook import SectionStatus
from db.engine import Database


def test_a_workbook_is_as_far_as_its_complete_sections(database: Database, owner: str):
    with database.tenant(owner) as session:
        assert workbook.get_progress(session, user_id=owner)["completion_percentage"] == 0
        for section in workbook.SECTIONS:
            workbook.save_section(session, section, {"status": SectionStatus.COMPLETE}, user_id=owner)
        progress = workbook.get_progress(session, user_id=owner)
        assert (progress["completion_percentage"], progress["status"]) == (100, "completed")
        workbook.save_section(session, "swot", {"status": SectionStatus.DRAFT}, user_id=owner)
        progress = workbook.get_progress(session, user_id=owner)
        assert (progress["completion_percentage"], progress["status"]) == (80, "in_progress")
        assert progress["completed_sections"] == ["core-value", "root-cause", "time-audit", "action-plan"]


def test_a_section_is_one_row_that_keeps_what_is_not_sent(database: Database, owner: str):
    with database.tenant(owner) as session:
        first = workbook.save_section(session, "core-value", {"business_given": "a bakery"}, user_id=owner)
        workbook.save_section(session, "core-value", {"ai_suggestions": ["Honest bread"]}, user_id=owner)
        row = workbook.find_section(session, "core-value", user_id=owner)
    assert row is not None
    assert (row["id"], row["business_given"], row["ai_suggestions"]) == (first["id"], "a bakery", ["Honest bread"])


def test_two_who_begin_a_section_at_once_make_one_row(database: Database, owner: str):
    def save(text: str) -> None:
        with database.tenant(owner) as session:
            workbook.save_section(session, "root-cause", {"symptom": text}, user_id=owner)

    threads = [Thread(target=save, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.tenant(owner) as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM root_cause_charts").scalar() == 1
        assert session.connection().exec_driver_sql("SELECT count(*) FROM workbook_progress").scalar() == 1


def test_each_business_area_has_its_analysis(database: Database, owner: str):
    with database.tenant(owner) as session:
        for area, insight in (("sales", "one"), ("overall", "two"), ("sales", "three")):
            workbook.save_section(session, "swot", {"business_area": area, "key_insight": insight}, user_id=owner)
        rows = workbook.list_swot_analyses(session, user_id=owner)
        overall = workbook.find_section(session, "swot", user_id=owner)
    assert [(row["business_area"], row["key_insight"]) for row in rows] == [("overall", "two"), ("sales", "three")]
    assert overall is not None
    assert overall["key_insight"] == "two"


def test_what_is_saved_as_nothing_is_nothing(database: Database, owner: str):
    with database.tenant(owner) as session:
        workbook.save_section(session, "swot", {"strengths": [{"text": "bread"}]}, user_id=owner)
        workbook.save_section(session, "swot", {"strengths": None}, user_id=owner)
        assert session.connection().exec_driver_sql("SELECT strengths IS NULL FROM workbook_swot_analyses").scalar() is True


@pytest.mark.parametrize(
    ("section", "values", "error"),
    [
        ("horoscope", {}, NotFound),
        ("swot", {"user_id": "bela"}, Invalid),
        ("swot", {"company_id": 1}, Invalid),
        ("swot", {"business_area": "astrology"}, Invalid),
    ],
)
def test_what_does_not_fit_is_refused(database: Database, owner: str, section: str, values: dict, error: type[Exception]):
    with database.tenant(owner) as session, pytest.raises(error):
        workbook.save_section(session, section, values, user_id=owner)


def test_an_archived_workbook_is_taken_out_by_saving(database: Database, owner: str):
    with database.tenant(owner) as session:
        assert workbook.archive(session, user_id=owner)["status"] == "archived"
        workbook.save_section(session, "swot", {}, user_id=owner)
        assert workbook.get_progress(session, user_id=owner)["status"] == "in_progress"


def test_coaching_is_kept_by_section_newest_first(database: Database, owner: str):
    with database.tenant(owner) as session:
        for section, insight in (("swot", "a"), ("core-value", "b"), ("swot", "c")):
            workbook.add_coaching(session, {"section": section, "key_insights": [insight]}, user_id=owner)
        assert [row["key_insights"] for row in workbook.list_coaching(session, "swot", user_id=owner)] == [["c"], ["a"]]


def test_messages_come_in_order_and_bring_their_conversation_up_to_date(database: Database, owner: str):
    with database.tenant(owner) as session:
        talk = chat.insert_conversation(session, "Bread", user_id=owner)
    with database.tenant(owner) as session:
        said = [
            chat.insert_message(session, talk["id"], role="user", content=word, user_id=owner)
            for word in ("one", "two", "three")
        ]
        assert chat.get_conversation(session, talk["id"])["updated_at"] > talk["updated_at"]
        page = chat.list_messages(session, talk["id"], after=said[0]["id"], limit=1)
        assert [row["content"] for row in page] == ["two"]


def test_a_conversation_of_another_takes_no_message(database: Database, owner: str):
    with database.jobs() as session:
        session.connection().exec_driver_sql("INSERT INTO users (id) VALUES ('bela')")
    with database.tenant(owner) as session:
        talk = chat.insert_conversation(session, "Mine", user_id=owner)
    with database.tenant("bela") as session, pytest.raises(NotFound):
        chat.insert_message(session, talk["id"], role="user", content="?", user_id="bela")


def test_searches_are_remembered_newest_first(database: Database, owner: str):
    with database.tenant(owner) as session:
        for query in ("flour", "oven"):
            chat.insert_search(session, query, [{"videoId": 1}], user_id=owner)
        pages = chat.list_searches(session, user_id=owner)
        older = chat.list_searches(session, user_id=owner, before=pages[0]["id"])
    assert [(row["query"], row["total_found"]) for row in pages] == [("oven", 1), ("flour", 1)]
    assert [row["query"] for row in older] == ["flour"]
