"""A title, a description, tags and a picture for a video, from what is said in it."""

from dataclasses import dataclass
from typing import Any

from pipelines.drafts.words import Sentence, score, sentences, shortened, weigh

INSTRUCTIONS = (
    "You draft what a small-business owner publishes beside a video. From its transcript write a title of at most 90 characters, a "
    "description of two short paragraphs, five to twelve tags, three to five hashtags, the sentiment in one word, and a sentence that "
    "describes a thumbnail. Say only what the transcript says: no figures, names or promises that are not in it. Plain text."
)
_TITLE, _DESCRIPTION, _PROMPT = 90, 1500, 300
_TAGS, _HASHTAGS, _SHORT_TAG = 12, 5, 3
_GLAD = frozenset("love happy great wonderful excited enjoy beautiful best proud fun welcome thank thanks".split())  # noqa: SIM905
_SAD = frozenset("problem bad worst hard difficult fail failed wrong sorry hate risk loss trouble mistake".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Draft:
    """What is proposed; a person has the last word."""

    title: str
    description: str
    tags: list[str]
    hashtags: list[str]
    sentiment: str
    thumbnail_prompt: str


def by_rules(captions: Any, name: str) -> Draft:  # noqa: ANN401  (a document)
    """The sentences that tell the most of what is said most often, in their own words; `name` where nothing is said."""
    said = sentences(captions)
    weights = weigh(said)
    if not weights:
        return Draft(shortened(name, _TITLE), "", [], [], "neutral", f"A clear picture for “{shortened(name, _TITLE)}”")
    best = sorted(said, key=lambda one: score(one, weights), reverse=True)
    told = sorted(best[:3], key=lambda one: one.start_ms)
    tags = [word for word in weights if len(word) > _SHORT_TAG][:_TAGS] or list(weights)[:_TAGS]
    title = shortened(best[0].text.rstrip(".…"), _TITLE)
    description = shortened("\n\n".join(one.text for one in told), _DESCRIPTION)
    hashtags = [f"#{''.join(letter for letter in tag if letter.isalnum())}" for tag in tags[:_HASHTAGS]]
    prompt = shortened(f"A bright picture about {', '.join(tags[:3])}, with the words “{title}”", _PROMPT)
    return Draft(title[:1].upper() + title[1:], description, tags, hashtags, mood(said), prompt)


def mood(said: list[Sentence]) -> str:
    """positive, negative or neutral: by which kind of words there are clearly more of."""
    spoken = [word.strip(".,!?;:").casefold() for one in said for word in one.text.split()]
    glad, sad = sum(word in _GLAD for word in spoken), sum(word in _SAD for word in spoken)
    if abs(glad - sad) < 2:  # noqa: PLR2004
        return "neutral"
    return "positive" if glad > sad else "negative"
