import os
import shutil
import subprocess
from pathlib import Path

from db import api_keys
from tests.conftest import lack

ROOT = Path(__file__).parents[2]


def test_every_line_of_the_first_try_does_what_the_page_says(served, database, owner):
    if shutil.which("curl") is None:
        lack("curl was not found: apt-get install curl")
    with database.jobs() as session:
        key = api_keys.insert_api_key(session, user_id=owner, name="tests")
    [_, block] = (ROOT / "docs/api.md").read_text().split("## A first try\n")
    lines = [line for line in block.split("```")[1].splitlines() if line.startswith("curl")]
    said = [
        subprocess.run(
            ["sh", "-c", f"{line.replace(':8000', f':{served.port}')} --silent --fail-with-body"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "ASKSTEPHEN_KEY": key},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for line in lines
    ]
    uploaded, videos, posted, jobs = said
    assert '"originalFilename":"clear.mp4"' in uploaded
    assert '"originalFilename":"clear.mp4"' in videos
    assert '"status":"queued"' in posted
    assert '"pipeline":"self_check"' in jobs
