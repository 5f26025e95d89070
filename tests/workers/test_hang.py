import signal
import subprocess
import sys

import pytest

PROGRAM = """
import re, time
from workers import hang
hang._HUNG_SECONDS, hang._TURN_SECONDS = 2, 0.1
hang.end_when_hung()
{does}
"""


@pytest.mark.parametrize(
    ("does", "code"), [("re.match('(a+)+$', 'a' * 60 + 'b')", -signal.SIGALRM), ("time.sleep(3)", 0)], ids=["hangs", "waits"]
)
def test_a_process_in_which_no_thread_gets_a_turn_ends_and_one_that_waits_lives(does: str, code: int):
    assert subprocess.run([sys.executable, "-c", PROGRAM.format(does=does)], timeout=60, check=False).returncode == code
