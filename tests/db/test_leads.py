import pytest
from sqlalchemy import text

from core.errors import Invalid, NotFound, Refused
from db.base.leads import AnalysisStatus, LeadStatus, LeadType
from db.engine import Database
from db.leads import clients, found, schedules, searches
from db.leads.found import LeadFilter

BAKERY = {"name": "Bakery", "address": "1 Mill Lane", "keyword": "bread"}
CAFE = {"place_id": "p1", "title": "Café", "phone": "555 1", "rating": "4.5", "partnership_factors": {"referralPotential": 3}}


@pytest.fixture
def client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        return clients.insert_client(session, BAKERY, user_id=owner)["id"]


def test_what_is_found_again_is_brought_up_to_date_not_doubled(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        first = found.keep_found(session, client, [CAFE, {"place_id": "p2", "title": "Hotel"}], user_id=owner)
        again = found.keep_found(
            session, client, [{"place_id": "p1", "title": "Café Lux", "website": "lux.example"}], user_id=owner
        )
        lead = found.get_lead(session, first[0])
    assert again == first[:1]
    assert (lead["title"], lead["website"], lead["phone"]) == ("Café Lux", "lux.example", "555 1")


def test_a_search_leaves_what_people_have_set(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        (lead_id,) = found.keep_found(session, client, [CAFE], user_id=owner)
        found.update_lead(session, lead_id, {"phone": None, "status": LeadStatus.CONTACTED, "notes": "called"})
        found.update_lead(session, lead_id, {"phone": "555 9", "title": "Our café"})
        found.keep_found(session, client, [{**CAFE, "rating": "4.8"}], user_id=owner)
        lead = found.get_lead(session, lead_id)
    assert (lead["phone"], lead["title"], lead["rating"]) == ("555 9", "Our café", "4.8")
    assert (lead["status"], lead["notes"]) == ("contacted", "called")
    assert sorted(lead["edited_fields"]) == ["phone", "title"]


def test_what_a_person_cleared_stays_cleared(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        (lead_id,) = found.keep_found(session, client, [CAFE], user_id=owner)
        found.update_lead(session, lead_id, {"phone": None})
        found.keep_found(session, client, [CAFE], user_id=owner)
        assert found.get_lead(session, lead_id)["phone"] is None


def test_finding_the_same_again_writes_nothing(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        (lead_id,) = found.keep_found(session, client, [CAFE], user_id=owner)
        before = session.execute(text("SELECT xmin, ctid FROM business_leads")).one()
    with database.tenant(owner) as session:
        assert found.keep_found(session, client, [CAFE], user_id=owner) == [lead_id]
        assert session.execute(text("SELECT xmin, ctid FROM business_leads")).one() == before


def test_two_users_find_the_same_place_each_for_themselves(database: Database, owner: str, client: int):
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('bela')"))
    with database.tenant(owner) as session:
        found.keep_found(session, client, [CAFE], user_id=owner)
    with database.tenant("bela") as session:
        theirs = clients.insert_client(session, BAKERY, user_id="bela")["id"]
        found.keep_found(session, theirs, [{**CAFE, "title": "Theirs"}], user_id="bela")
        assert [lead["title"] for lead in found.list_leads(session, theirs)] == ["Theirs"]
        with pytest.raises(NotFound):
            found.keep_found(session, client, [CAFE], user_id="bela")


def test_leads_are_filtered_and_paged_without_gap_or_double(database: Database, owner: str, client: int):
    leads = [
        {
            "place_id": f"p{number}",
            "title": f"Lead {number} 100%" if number % 2 else f"Lead {number} 100 x",
            "business_type": LeadType.PARTNER if number % 3 else LeadType.COMPETITOR,
            "partnership_score": number * 10,
        }
        for number in range(10)
    ]
    with database.tenant(owner) as session:
        ids = found.keep_found(session, client, leads, user_id=owner)
        seen, before = [], None
        while page := found.list_leads(session, client, before=before, limit=3):
            seen += [lead["id"] for lead in page]
            before = seen[-1]
        assert seen == ids[::-1]
        only = LeadFilter(business_type=LeadType.PARTNER, least_score=50, words="100%")
        assert [lead["partnership_score"] for lead in found.list_leads(session, client, only=only)] == [70, 50]


def test_a_converted_lead_is_not_new_again(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        (lead_id,) = found.keep_found(session, client, [CAFE], user_id=owner)
        found.update_lead(session, lead_id, {"status": LeadStatus.CONVERTED})
        with pytest.raises(Refused, match="status"):
            found.update_lead(session, lead_id, {"status": LeadStatus.NEW})
        with pytest.raises(Invalid, match="status must be"):
            found.update_lead(session, lead_id, {"status": None})


@pytest.mark.parametrize("values", [{"user_id": "bela"}, {"client_id": 1}, {"place_id": "x"}, {"edited_fields": []}])
def test_what_is_ours_is_not_edited(database: Database, owner: str, client: int, values: dict):
    with database.tenant(owner) as session:
        (lead_id,) = found.keep_found(session, client, [CAFE], user_id=owner)
        with pytest.raises(Invalid, match="cannot be set"):
            found.update_lead(session, lead_id, values)


@pytest.mark.parametrize("lead", [{"place_id": "p"}, {"title": "x", "status": "won"}, {"title": "x", "notes": "n"}])
def test_what_a_search_may_not_say_is_refused(database: Database, owner: str, client: int, lead: dict):
    with database.tenant(owner) as session, pytest.raises(Invalid):
        found.keep_found(session, client, [lead], user_id=owner)


def test_a_search_ends_once_and_its_late_answer_still_counts(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        search = searches.insert_search(session, client, user_id=owner, keyword="bread", geo="Bath")["id"]
        searches.begin_search(session, search)
        searches.fail_search(session, search, "no answer")
        done = searches.complete_search(session, search, [{"title": "Café"}])
        assert (done["status"], done["total_found"], done["error_message"]) == ("completed", 1, None)
        for move in (lambda: searches.begin_search(session, search), lambda: searches.fail_search(session, search, "x")):
            with pytest.raises(Refused):
                move()
        with pytest.raises(Invalid, match="search_types"):
            searches.insert_search(session, client, user_id=owner, keyword="bread", geo="Bath", search_types=[])


def test_an_analysis_moves_to_its_end(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        analysis = searches.insert_analysis(session, client, user_id=owner)["id"]
        with pytest.raises(Refused):
            searches.move_analysis(session, analysis, AnalysisStatus.COMPLETED, summary="too early")
        searches.move_analysis(session, analysis, AnalysisStatus.GENERATING)
        searches.move_analysis(session, analysis, AnalysisStatus.COMPLETED, strengths=[{"text": "bread"}], leads_analyzed=3)
        (row,) = searches.list_analyses(session, client)
    assert (row["status"], row["strengths"], row["completed_at"] is None) == ("completed", [{"text": "bread"}], False)


def test_a_client_goes_with_all_that_is_kept_of_it(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        (lead_id,) = found.keep_found(session, client, [CAFE], user_id=owner)
        clients.delete_client(session, client)
        with pytest.raises(NotFound):
            found.get_lead(session, lead_id)


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ({"schedule_type": "weekly"}, "day_of_week"),
        ({"schedule_type": "weekly", "day_of_week": 7}, "day_of_week"),
        ({"schedule_type": "monthly", "day_of_month": 0}, "day_of_month"),
        ({"schedule_type": "interval", "interval_days": 0}, "interval_days"),
        ({"schedule_type": "hourly"}, "schedule_type"),
        ({"schedule_type": "weekly", "day_of_week": 0, "run_hour": 24}, "run_hour"),
        ({"schedule_type": "weekly", "day_of_week": 0, "timezone": "Mars/Olympus"}, "time zone"),
        ({"schedule_type": "weekly", "day_of_week": 0, "next_run_at": None}, "cannot be set"),
    ],
)
def test_a_schedule_that_is_no_rule_is_refused(database: Database, owner: str, client: int, rule: dict, wrong: str):
    with database.tenant(owner) as session, pytest.raises(Invalid, match=wrong):
        schedules.insert_schedule(session, client, rule, user_id=owner)


def test_a_schedule_is_changed_as_a_whole(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        rule = {"schedule_type": "weekly", "day_of_week": 0}
        made = schedules.insert_schedule(session, client, rule, user_id=owner)["id"]
        with pytest.raises(Invalid, match="day_of_month"):
            schedules.update_schedule(session, made, {"schedule_type": "monthly"})
        schedules.update_schedule(session, made, {"schedule_type": "monthly", "day_of_month": 31})
        (row,) = schedules.list_schedules(session, client)
    assert (row["schedule_type"], row["day_of_month"], row["run_hour"]) == ("monthly", 31, 9)
