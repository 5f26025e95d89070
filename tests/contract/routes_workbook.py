"""The workbook, section by section."""

from db.base import workbook
from db.base.accounts import UserRole
from db.workbook import SECTIONS
from tests.contract.route import WORKBOOK, Arguments, Route, World, keys

ROW = keys("id userId companyId createdAt updatedAt")
SECTION = ROW | {"workbookId", "status"}
PROGRESS = ROW | keys("completedSections completionPercentage status startedAt lastUpdated")
FIELDS = {
    "core-value": keys(
        """
        howYouWereMade businessGiven desireForCustomers problemsYouSolve principleAtHeart feelingsGenerated coreValueDraft1
        coreValueDraft2 coreValueFinal aiSuggestions alignmentScores
        """
    ),
    "swot": keys("businessArea strengths weaknesses opportunities threats keyInsight keyMetric aiPatterns"),
    "root-cause": keys(
        """
        beforeTriggers problemDescription afterResults fiveWhys whenWhereHow whoAffected whenNotIssue whatDriving conditionsWorse
        howStopForever whoWinsLoses whatStoppingUs symptom rootCause priorityImpact problemStatement affectedAreas
        aiRootCauseSuggestion
        """
    ),
    "time-audit": keys(
        """
        ownerRate tasks totalHoursLogged highValueHours mediumValueHours lowValueHours tasksToDelegate hoursToReclaim
        whatToDoWithTime timeManagementRating biggestTimeWasters
        """
    ),
    "action-plan": keys("selectedStrategy strategyLabel milestones tasks metrics quarterStartDate weeklyGoals notes"),
}
SENT = {
    "core-value": {"coreValueFinal": "Kept promises", "aiSuggestions": ["Care"], "status": "complete"},
    "swot": {"businessArea": "sales", "strengths": ["Known in town"], "status": "complete"},
    "root-cause": {"fiveWhys": ["Because"], "affectedAreas": ["sales"], "status": "complete"},
    "time-audit": {"ownerRate": "200", "tasks": [{"name": "Books", "hours": 3}], "status": "complete"},
    "action-plan": {"quarterStartDate": "2026-10-01", "weeklyGoals": {"1": "Call"}, "status": "complete"},
}
WRONG = {
    "core-value": ({"status": "done"}, {"aiSuggestions": "Care"}, []),
    "swot": ({"businessArea": "weather"}, {"status": None}),
    "root-cause": ({"affectedAreas": 3},),
    "time-audit": ({"ownerRate": "much"}, {"ownerRate": 2**40}),
    "action-plan": ({"quarterStartDate": "soon"},),
}


def written(section: str):
    def arrange(world: World, owner: str) -> Arguments:
        world.insert(SECTIONS[section], owner)
        return {}

    return arrange


def begun(world: World, owner: str) -> Arguments:
    world.insert(workbook.workbook_progress, owner)
    return {}


def counts(section: str):
    def also(world: World, arguments: Arguments, answer) -> None:
        row = answer.json()
        progress = world.client.get("/api/workbook/progress", headers=world.bearer(UserRole.PICKONE)).json()
        assert row["status"] == "complete"
        assert (section in progress["completedSections"]) == (section != "swot")  # which counts by its overall analysis
        assert progress["completionPercentage"] == 20 * len(progress["completedSections"])

    return also


AWAITED: set[str] = set()

ROUTES = [
    Route(method="GET", path="/api/workbook/progress", who=WORKBOOK, arrange=begun, keys=PROGRESS),
    Route(
        method="POST",
        path="/api/workbook/progress",
        who=WORKBOOK,
        body={"status": "archived", "completionPercentage": 100},
        keys=PROGRESS,
        bad=(({"status": "forgotten"}, 400),),
    ),
    Route(
        method="GET",
        path="/api/workbook/swot/all",
        who=WORKBOOK,
        arrange=written("swot"),
        keys=SECTION | FIELDS["swot"],
        a_list=True,
    ),
    *(
        Route(
            method="GET",
            path=f"/api/workbook/{section}",
            who=WORKBOOK,
            arrange=written(section),
            keys=SECTION | FIELDS[section],
        )
        for section in SECTIONS
    ),
    *(
        Route(
            method="POST",
            path=f"/api/workbook/{section}",
            who=WORKBOOK,
            body=SENT[section],
            keys=SECTION | FIELDS[section],
            also=counts(section),
            bad=tuple((wrong, 400) for wrong in WRONG[section]),
        )
        for section in SECTIONS
    ),
]
