import inspect
import re
import sys
from pathlib import Path

import pytest

import pipelines
from db.engine import Database
from testkit import Worker

PAGE = Path(__file__).parents[2] / "docs" / "new_pipeline.md"


def test_what_the_page_shows_works(
    database: Database, worker: Worker, owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    module, tests = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "word_count.py").write_text(module)
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(tmp_path / "found")])
    monkeypatch.delitem(sys.modules, "pipelines.word_count", raising=False)
    shown: dict = {}
    exec(compile(tests, str(PAGE), "exec"), shown)
    fixtures = {"database": database, "worker": worker, "owner": owner}
    found = [test for name, test in shown.items() if name.startswith("test_")]
    assert len(found) == 5
    for test in found:
        test(**{name: fixtures[name] for name in inspect.signature(test).parameters})
