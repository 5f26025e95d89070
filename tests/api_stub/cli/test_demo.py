import pytest

from api_stub.cli.words import build_parser
from core.errors import Invalid


def test_a_storm_without_services_outside_is_refused_with_advice():
    options = build_parser().parse_args(["demo", "--storm"])
    with pytest.raises(Invalid, match="add --all"):
        options.function(options)
