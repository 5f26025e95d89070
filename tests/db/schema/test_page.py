"""The page that shows the comparison says what the comparison says."""

import re

from benchmarks.schemas import DUMPED, MARKED, PAGE, PAIRS, SEED, compared, counts
from db.schema.compare import compare
from db.schema.read import connected, read_schema
from db.schema.report import to_document
from db.schema.scratch import read_models
from db.schema.sources import MODELS


def read(url: str):
    with connected(url) as connection:
        return read_schema(connection)


def test_the_page_shows_what_the_comparison_finds_and_that_is_the_first_finding(made, server):
    schemas = {name: read(made(name)) for name in DUMPED} | {MODELS: read_models(server)}
    documents = {pair: to_document(compare(*(schemas[name] for name in pair), names=pair)) for pair in PAIRS}
    [shown] = re.findall(MARKED.format("compared"), PAGE.read_text(), flags=re.DOTALL)
    assert shown == compared(documents), "./askstephen bench schemas --write brings docs/schema.md up to date"
    oauth = {"user_social_accounts", "oauth_states"}
    assert counts(documents["production", "replit"]) == {"in_both": 18, "only_in_first": 0, "only_in_second": 10}
    assert set(documents["replit", "live copy"]["only_in_second"]) == oauth
    assert oauth <= set(documents["replit", MODELS]["only_in_second"])
    assert counts(documents["live copy", MODELS])["in_both"] == 30
    for _, tables, in_production, in_replit in SEED:
        assert set(tables.split()) <= schemas["production"].keys() or in_production == "no"
        assert set(tables.split()) <= schemas["replit"].keys() or in_replit == "in some copies"
