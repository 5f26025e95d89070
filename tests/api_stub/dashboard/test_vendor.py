import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "api_stub/dashboard/static/vendor", ROOT / "tests/vendor")
_ROW = re.compile(r"^\| (?P<file>\S+) \|.*\(.*LICENSE.*\) \| (?P<sha256>[0-9a-f]{64}) \|$", re.MULTILINE)


@pytest.mark.parametrize("folder", FOLDERS, ids=["shipped", "for tests"])
def test_libraries_of_others_are_the_files_that_their_readme_names(folder: Path):
    listed = {row["file"]: row["sha256"] for row in _ROW.finditer((folder / "README.md").read_text())}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*js")}
    assert found == listed


@pytest.mark.parametrize("folder", FOLDERS, ids=["shipped", "for tests"])
def test_each_library_of_others_has_its_licence_beside_it(folder: Path):
    named = set(re.findall(r"[a-z.]*\.LICENSE[^\s,)]*", (folder / "README.md").read_text()))
    assert named == {path.name for path in folder.glob("*LICENSE*")}
