"""The questions of each section of the workbook, by the column that holds the answer."""

from collections.abc import Mapping
from typing import Any

_MOST_QUESTIONS = 3
QUESTIONS: Mapping[str, Mapping[str, str]] = {
    "core-value": {
        "how_you_were_made": "What in your own story made you the person who started this business?",
        "business_given": "Which gift or skill did you bring into the business?",
        "desire_for_customers": "What do you wish for your customers beyond what they pay for?",
        "problems_you_solve": "Which problem do people bring to you, in their own words?",
        "principle_at_heart": "Which principle would you keep even if it cost you money?",
        "feelings_generated": "How should a customer feel when they leave?",
        "core_value_final": "Say it in one sentence that a new employee would understand. What is it?",
    },
    "swot": {
        "strengths": "What do customers praise without being asked?",
        "weaknesses": "Which complaint have you heard twice this year?",
        "opportunities": "What has changed around you that you have not used yet?",
        "threats": "What could make a good month impossible, and is out of your hands?",
        "key_insight": "Which one of these, if it changed, would change most of the others?",
        "key_metric": "Which number would show next month that it did?",
    },
    "root-cause": {
        "problem_description": "What happens, where and how often? Say what a camera would have seen.",
        "before_triggers": "What happened just before it did?",
        "after_results": "What does it cost you each time, in hours or money?",
        "five_whys": "Why did that happen? Ask it five times, each time of the last answer.",
        "when_not_issue": "When does it not happen, and what is different then?",
        "what_stopping_us": "What has kept you from mending it until now?",
        "root_cause": "Which cause is left that you could remove yourself?",
    },
    "time-audit": {
        "tasks": "Write down one whole week: which tasks, and how many hours each?",
        "tasks_to_delegate": "Which of them could somebody else do at half of what your hour is worth?",
        "biggest_time_wasters": "Which three take the most time and bring the least?",
        "hours_to_reclaim": "How many hours a week do you want back?",
        "what_to_do_with_time": "What will you do with them? Name it, or they will fill up by themselves.",
    },
    "action-plan": {
        "selected_strategy": "Which one thing, done in 90 days, would make the rest easier?",
        "milestones": "What will be true after 30, 60 and 90 days that is not true now?",
        "tasks": "What is the first step, who does it, and on which day?",
        "metrics": "Which number will you look at each Monday?",
        "weekly_goals": "What has to be done by the end of this week?",
    },
}


def open_questions(section: str, answers: Mapping[str, Any]) -> list[str]:
    """The questions of a section that have no answer yet, at most three."""
    return [question for column, question in QUESTIONS[section].items() if not answers.get(column)][:_MOST_QUESTIONS]


def advice(section: str, answers: Mapping[str, Any]) -> str:
    """What rules say: which answers are missing or short. They understand nothing, and say so."""
    asked = QUESTIONS[section]
    begun = [column for column in asked if answers.get(column)]
    missing = open_questions(section, answers)
    start = (
        "No language model is set up here, so this is a checklist and not a coach: it sees which answers are there, "
        f"not what they mean. {len(begun)} of {len(asked)} questions of this section have an answer."
    )
    if missing:
        return f"{start} Next:\n" + "\n".join(f"- {question}" for question in missing)
    return f"{start} Read them aloud to somebody who knows the business, and change what they do not believe."
