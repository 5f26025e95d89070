"""The lines for a shell that stand on every page: each button has one, and a real curl does what it says."""

import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

import pytest

from db import api_keys, failures
from tests.api_stub.conftest import app, config, serve  # noqa: F401
from tests.browser.stage import PAGES, address, set_stage
from tests.conftest import lack
from tests.pipelines.studio.films import ready_video

_VALUES = ("job_id", "batch_id", "conversation_id", "group_id", "video_id")


class _Page(HTMLParser):
    """The buttons of forms that post, and the lines."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.buttons, self.lines, self._posts, self._line = 0, [], False, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self._posts = given.get("method") == "post"
        self.buttons += tag == "button" and self._posts
        self._line = tag == "code" and given.get("tabindex") == "0"

    def handle_data(self, data):
        if self._line:
            self.lines.append(data)
            self._line = False

    @property
    def deeds(self) -> list[str]:
        return [line for line in self.lines if "-X GET" not in line]


@pytest.fixture
def pages(app, database, storage, owner, tmp_path):  # noqa: F811
    """Every page there is, from a real server; the key of its owner; a folder with the files that lines send."""
    stage = set_stage(database, owner)
    film = ready_video(database, storage, owner, b"film", clear=False)
    with database.jobs() as session:
        key = api_keys.insert_api_key(session, user_id=owner, name="tests")
        group = failures.list_groups(session)[0].id
    (tmp_path / "FILM.mp4").write_bytes(b"film")
    (tmp_path / "DUMP.sql").write_text("CREATE TABLE users (id text);")
    shown = {}
    with serve(app, database, owner) as served:
        for job_id in (stage.running, stage.failed, stage.waiting):
            ids = dict(zip(_VALUES, (job_id, stage.batch, stage.conversation, group, film), strict=True))
            for path in PAGES:
                answer = served.client.get(address(path, ids), headers={"Accept": "text/html"})
                assert answer.status_code == 200, (path, answer.text[:300])
                shown[address(path, ids)] = _Page(answer.text)
        yield shown, key, tmp_path


def run(line: str, key: str, folder: Path) -> int:
    told = ["sh", "-c", f"{line} --silent --output /dev/null --write-out '%{{http_code}}'"]
    environment = {"PATH": os.environ["PATH"], "ASKSTEPHEN_KEY": key}
    return int(subprocess.run(told, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_every_button_has_its_line_and_curl_does_what_it_says(pages):
    if shutil.which("curl") is None:
        lack("curl was not found: apt-get install curl")
    shown, key, folder = pages
    assert {path for path, page in shown.items() if len(page.deeds) < page.buttons} == set()
    lines = dict.fromkeys(line for page in shown.values() for line in page.lines)
    answered = defaultdict(set)
    # What takes away comes last.
    for line in sorted(lines, key=lambda line: ("-X DELETE" in line, "/cancel" in line, "/bulk" in line)):
        words = shlex.split(line)
        kind = f"{words[2]} {re.sub('[0-9a-f-]{16,}|[0-9]+', '#', words[3].partition('//')[2].partition('/')[2].partition('?')[0])}"
        answered[kind].add(run(line, key, folder))
    # 404: a name to fill in; 409 and 422: another line did it before, or it cannot be done to this one.
    odd = {kind: codes for kind, codes in answered.items() if not codes <= {200, 201, 202, 204, 404, 409, 422}}
    assert odd == {}
    assert {kind for kind, codes in answered.items() if min(codes) >= 300} == {"PUT ops/weights/OWNER"}
