"""What the demo prints."""

from api_stub.cli.demo.judge import Verdict


def say(words: str) -> None:
    """A line about what is being done."""
    print(f"demo: {words}", flush=True)


def told(verdict: Verdict) -> Verdict:
    """A line about what was found; returns the same."""
    print(f"  {'ok    ' if verdict.passed else 'FAILED'} {verdict.words}", flush=True)
    return verdict
