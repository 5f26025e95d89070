import json

from hypothesis import given
from hypothesis import strategies as st

from pipelines.transcript import Stretch, Transcript, Word

seconds = st.floats(0, 1e5)
words = st.lists(st.builds(Word, st.text(), seconds, seconds, st.floats(0, 1)), max_size=5).map(tuple)
stretches = st.lists(st.builds(Stretch, seconds, seconds), max_size=5).map(tuple)


@given(st.builds(Transcript, words, stretches, seconds, st.text(), st.text()))
def test_a_transcript_is_read_back_from_json_as_it_was(transcript: Transcript) -> None:
    assert Transcript.from_json(json.loads(json.dumps(transcript.as_json()))) == transcript


def test_its_text_is_its_words_on_one_line() -> None:
    spoken = (Word("No", 0, 1, 1), Word("matter.", 1, 2, 1))
    assert Transcript(spoken, (), 2, "en", "").text == "No matter."
