import os
import subprocess
import sys
from pathlib import Path

import pytest

from twins.store import Store

PROGRAM = """
import os, signal, sys
from pathlib import Path
from twins.store import Store
store = Store(Path(sys.argv[1]))
store.table("a")["before"] = {}
with store.whole():
    store.table("a")["inside"] = {}
    store.table("b")["inside"] = {}
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_what_was_written_before_and_nothing_of_a_request_half_done(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, timeout=60, check=False)
    store = Store(tmp_path)
    assert (list(store.table("a")), list(store.table("b"))) == (["before"], [])
    store.close()


def test_a_refusal_keeps_what_was_counted_on_the_way_to_it(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def refuse() -> None:
        with store.whole():
            store.table("quota")["today"] = {"used": 1}
            raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        refuse()
    assert store.table("quota")["today"] == {"used": 1}
    store.close()


def test_a_record_that_was_read_is_a_copy_and_numbers_are_not_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path)
    table = store.table("log")
    assert [table.append({"n": []}) for _ in range(3)] == [1, 2, 3]
    table["2"]["n"].append("changed")
    assert table["2"] == {"n": []}
    del table["1"]
    assert (table.append({}), len(table)) == (4, 3)
    store.close()
