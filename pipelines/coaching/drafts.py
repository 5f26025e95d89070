"""The drafts that can be asked for: their shape, their instructions, where they are written, and what rules make of the answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_FIRST_SENTENCE = re.compile(r"^.*?[.!?](?=\s|$)", re.DOTALL)
_LONGEST = 160
_WEEKS = 13
_NOTHING_NEW = "Sorted by rules from your own answers, without a language model: nothing here is new."
_RULE = (
    "You help the owner of a small business with a workbook. The evidence is what the owner wrote in it. Use only what stands there, "
    "be concrete and short, write as the owner would, and leave a list empty rather than invent something."
)


@dataclass(frozen=True, slots=True)
class Swot:
    """Lists of short sentences."""

    strengths: list[str]
    weaknesses: list[str]
    opportunities: list[str]
    threats: list[str]
    patterns: list[str]
    key_insight: str


@dataclass(frozen=True, slots=True)
class RootCause:
    """One cause that the owner could remove, and how it leads to the problem."""

    suggestion: str


@dataclass(frozen=True, slots=True)
class CoreValues:
    """Up to five sentences that could be the business's core value."""

    suggestions: list[str]


@dataclass(frozen=True, slots=True)
class Milestone:
    """What is true by the end of a week, 1 to 13."""

    title: str
    week: int


@dataclass(frozen=True, slots=True)
class Metric:
    """A number to look at, and what it should be after 90 days."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Ninety days: milestones, tasks in their order with the week each is done by, numbers, and a goal for each week."""

    milestones: list[Milestone]
    tasks: list[Milestone]
    metrics: list[Metric]
    weekly_goals: list[str]


Workbook = Mapping[str, Mapping[str, Any]]  # what is written of each section


@dataclass(frozen=True, slots=True)
class Drafting:
    """Columns to write: those of the model's own, and those that are a person's and are filled only where they are empty."""

    own: Mapping[str, Any]
    where_empty: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """One kind of draft."""

    shape: type[Any]
    instructions: str
    by_rules: Callable[[Workbook], Any]
    columns: Callable[[Any], Drafting]


def _first(answer: object) -> str:
    """The first sentence of an answer; of a list its first entry."""
    if isinstance(answer, list):
        answer = answer[-1] if answer else ""
    if isinstance(answer, dict):
        answer = next((value for value in answer.values() if isinstance(value, str) and value.strip()), "")
    text = " ".join(str(answer or "").split())
    match = _FIRST_SENTENCE.match(text)
    return (match.group() if match else text)[:_LONGEST]


def _picked(workbook: Workbook, *places: str) -> list[str]:
    """The first sentences of these answers (`section.column`) that are there."""
    pairs = (place.partition(".")[::2] for place in places)
    found = (_first((workbook.get(section) or {}).get(column)) for section, column in pairs)
    return [text for text in dict.fromkeys(found) if text]


def _swot(workbook: Workbook) -> Swot:
    return Swot(
        strengths=_picked(
            workbook, "core-value.how_you_were_made", "core-value.business_given", "core-value.principle_at_heart"
        ),
        weaknesses=_picked(
            workbook, "root-cause.problem_description", "root-cause.what_stopping_us", "time-audit.biggest_time_wasters"
        ),
        opportunities=_picked(workbook, "core-value.problems_you_solve", "core-value.desire_for_customers"),
        threats=_picked(workbook, "root-cause.conditions_worse", "root-cause.before_triggers"),
        patterns=[_NOTHING_NEW],
        key_insight=next(iter(_picked(workbook, "root-cause.root_cause")), ""),
    )


def _root_cause(workbook: Workbook) -> RootCause:
    whys = _picked(workbook, "root-cause.five_whys", "root-cause.what_driving", "root-cause.problem_description")
    if not whys:
        return RootCause(f"Nothing is written of the problem yet: begin with what happens, where and how often. {_NOTHING_NEW}")
    return RootCause(f"The last of your whys is mostly the nearest to the cause: “{whys[0]}” Ask once more why. {_NOTHING_NEW}")


def _core_values(workbook: Workbook) -> CoreValues:
    principle = _picked(workbook, "core-value.principle_at_heart")
    feeling = _picked(workbook, "core-value.feelings_generated")
    wish = _picked(workbook, "core-value.desire_for_customers", "core-value.problems_you_solve")
    made = [*principle, *(f"What we want our customers to feel: {text}" for text in feeling), *wish]
    return CoreValues([*made[:4], _NOTHING_NEW])


def _plan(workbook: Workbook) -> Plan:
    aim = next(iter(_picked(workbook, "action-plan.selected_strategy", "swot.key_insight", "root-cause.root_cause")), "")
    named = f": {aim}" if aim else ""
    milestones = [
        Milestone(f"How it is now is measured and written down{named}", 4),
        Milestone("One change has been tried for four weeks, and measured", 9),
        Milestone("What worked is how it is done, and somebody else can do it", _WEEKS),
    ]
    tasks = [
        Milestone("Write down how it is done now", 1),
        Milestone("Choose the number that shows whether it is better", 2),
        Milestone("Choose one change and say who makes it", 4),
        Milestone("Look at the number with whoever does the work", 9),
        Milestone("Write the new way down on one page", 12),
    ]
    metric = next(iter(_picked(workbook, "swot.key_metric")), "")
    metrics = [Metric(metric or "The number that you choose in week 2", "better than in week 4")]
    return Plan(milestones, tasks, metrics, [f"Week {week}: {_goal(tasks, week)}" for week in range(1, _WEEKS + 1)])


def _goal(tasks: list[Milestone], week: int) -> str:
    return next((task.title for task in tasks if task.week >= week), "Keep at it, and write down what you learn")


def _swot_columns(draft: Swot) -> Drafting:
    lists = {name: getattr(draft, name) for name in ("strengths", "weaknesses", "opportunities", "threats")}
    return Drafting({"ai_patterns": draft.patterns}, {**lists, "key_insight": draft.key_insight})


DRAFTS: Mapping[str, Draft] = {
    "swot": Draft(
        Swot,
        f"{_RULE} Draft a SWOT analysis of the business area that is named; in patterns say what several of its entries have in common.",
        _swot,
        _swot_columns,
    ),
    "root-cause": Draft(
        RootCause,
        f"{_RULE} Suggest the root cause of the problem that the section root-cause describes, in at most three sentences.",
        _root_cause,
        lambda draft: Drafting({"ai_root_cause_suggestion": draft.suggestion}, {}),
    ),
    "core-value": Draft(
        CoreValues,
        f"{_RULE} Suggest up to five core values, each one sentence that could hang on the wall of this very business.",
        _core_values,
        lambda draft: Drafting({"ai_suggestions": draft.suggestions}, {}),
    ),
    "action-plan": Draft(
        Plan,
        f"{_RULE} Draft a plan of 90 days: three milestones, five to ten tasks, one to three numbers, thirteen weekly goals.",
        _plan,
        lambda draft: Drafting({}, asdict(draft)),
    ),
}
