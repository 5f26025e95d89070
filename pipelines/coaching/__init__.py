"""What the workbook asks, section by section, and what rules can make of its answers without a language model."""

from pipelines.coaching.drafts import DRAFTS, Draft, Drafting
from pipelines.coaching.questions import QUESTIONS, advice, open_questions

__all__ = ["DRAFTS", "QUESTIONS", "Draft", "Drafting", "advice", "open_questions"]
