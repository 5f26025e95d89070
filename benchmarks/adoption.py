"""Databases of every earlier generation, filled and adopted: whether a row or a value of one is lost, whatever happens meanwhile.

    ./askstephen bench adoption [--quick] [--rows N] [--only NAME…]

Each is made of its description, filled, and adopted by the real command, beside copies of it that are adopted while another session
holds a lock, and ones that are killed (-9) in the change and while it is settled. Every column of every table is hashed before and after by
SQL of this benchmark's own (tokens, which an adoption seals, are opened first); the backup is restored and compared; the second
adoption may change no byte and no object; every route is asked on what was adopted. The last line is JSON; the status is 1 where
something was lost.
"""

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._adoption_stage import (
    Command,
    Values,
    asked,
    copied,
    describe,
    end_strangers,
    holding,
    read_values,
    restore,
    wait_until,
)
from core.local_stack.servers import Servers
from core.storage import FolderStorage
from db.schema.names import COLUMNS, TABLES
from db.schema.scratch import scratch_database
from tests.conftest import opened
from tests.contract.adopted import check_that_no_route_meets_what_it_does_not_know, served, write_segments
from tests.db.schema.generations import GENERATIONS, build, columns_of

_LOCK_SECONDS = 3.0
_KILLED_AFTER = (1, 10, 30)  # statements that were settled
_MOST_ROUTES = 200  # and more do what they are asked
_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.videos'::regclass"
_BUILDS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
      AND query LIKE 'CREATE INDEX CONCURRENTLY%messages%'
"""
_HALF_BUILT = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@dataclass(slots=True)
class Trial:
    """One generation: its database, how it was before, and what was found."""

    name: str
    url: str
    home: Path
    columns: dict[str, list[str]]
    values: Values
    described: str
    found: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def check(self, holds: object, words: str) -> None:
        print(f"  {'ok' if holds else 'WRONG'}: {words}", flush=True)
        if not holds:
            self.wrong.append(f"{self.name}: {words}")

    def check_kept(self, url: str, when: str) -> None:
        """Every value, under the names it had and under today's."""
        self._check_same(self.values, read_values(url, self.columns, home=self.home), f"every value is kept {when}")
        today = {TABLES.get(name, name): [_today(name, one) for one in columns] for name, columns in self.columns.items()}
        if today != self.columns:
            values = {_renamed(at): value for at, value in self.values.items()}
            self._check_same(
                values, read_values(url, today, home=self.home), f"every value is kept {when}, under today's names"
            )

    def check_untouched(self, url: str, when: str) -> None:
        self._check_same(self.values, read_values(url, self.columns), f"every value is as it was {when}")
        self.check(describe(url) == self.described, f"so is every table, index and rule {when}")

    def check_finished(self, url: str, when: str) -> None:
        """Run again it finishes, and nothing is lost."""
        done = Command(url, self.home).run()
        self.check(done.status == 0, f"{when}: it finishes when it is run again{'' if done.status == 0 else f': {done.words}'}")
        self.check_kept(url, when)
        self.check("Nothing to do" in Command(url, self.home).run().words, f"{when}: then nothing is left to do")

    def _check_same(self, before: Values, after: Values, words: str) -> None:
        changed = [name for name in before if before[name] != after.get(name)]
        self.check(not changed, f"{words}: {len(before)} columns{f', but {changed}' if changed else ''}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 000 rows in each table instead of 5 000")
    parser.add_argument("--rows", type=int, help="that many rows in each table")
    parser.add_argument("--only", nargs="*", default=list(GENERATIONS), metavar="NAME", help="of these generations only")
    parser.add_argument("--data", help="not used")
    options = parser.parse_args(arguments)
    rows = options.rows or (1000 if options.quick else 5000)
    found, wrong = {}, []
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="askstephen-adoption-") as folder:
        Path(folder).chmod(0o711)
        os.environ["ASKSTEPHEN_HOME"] = f"{folder}/home"  # where the key is that seals tokens
        with Servers(Path(folder) / "servers") as servers:
            server = servers.environment["DATABASE_URL"].replace("@/askstephen", "@/postgres")
            for name in options.only:
                with prepared(server, name, rows, Path(folder)) as trial:
                    take(trial, server)
                found[name] = trial.found
                wrong += trial.wrong
    print(json.dumps({"rows_per_table": rows, "generations": found, "wrong": wrong}))
    return 1 if wrong else 0


@contextmanager
def prepared(server: str, name: str, rows: int, folder: Path) -> Iterator[Trial]:
    with scratch_database(server) as url:
        build(url, name, rows=rows)
        write_segments(url)
        values = read_values(url)
        trial = Trial(name, url, folder / "home", columns_of(url), values, describe(url))
        size = asked(url, "SELECT pg_size_pretty(pg_database_size(current_database()))")
        counts = {at.partition(".")[0]: count for at, (count, _) in values.items()}
        trial.found |= {"tables": len(counts), "rows": sum(counts.values()), "columns": len(values), "size": size}
        print(f"{name}: {trial.found}", flush=True)
        yield trial


def take(trial: Trial, server: str) -> None:
    # Copies first: the database itself stays as it was for them.
    for attack in (killed_in_the_change, killed_while_settled, killed_while_an_index_is_built, beside_a_lock):
        with copied(trial.url) as url:
            attack(trial, url)
    undisturbed(trial, server)
    trial.found["routes"] = walked(trial)


def begun(command: Command, sign: str, meanwhile: Callable[[Command, str], None] | None = None) -> threading.Thread:
    """It runs, and has come to where the database shows `sign`, or has ended."""
    runs = threading.Thread(target=command.run, args=(meanwhile,))
    runs.start()
    wait_until(lambda: asked(command.url, sign) or not runs.is_alive())
    return runs


def killed_in_the_change(trial: Trial, url: str) -> None:
    command = Command(url, trial.home)
    with holding(url, "videos IN ACCESS SHARE MODE"):
        runs = begun(command, _WAITS)
        trial.check(runs.is_alive(), "killed in the change: it was in the midst of it")
        command.kill()
        runs.join()
    end_strangers(url)
    trial.check_untouched(url, "after a kill in the change")
    trial.check_finished(url, "after a kill in the change")


def killed_while_settled(trial: Trial, url: str) -> None:
    """Again and again, each time after a few more statements."""
    kills = 0
    for most in _KILLED_AFTER:
        lines = iter(range(most))

        def kill_after_some(command: Command, line: str, lines: Iterator[int] = lines) -> None:
            if line.startswith("  settled") and next(lines, None) is None:
                command.kill()

        kills += Command(url, trial.home).run(kill_after_some).status == -signal.SIGKILL
        end_strangers(url)
    trial.check(kills == len(_KILLED_AFTER), f"killed {kills} times while it was settled")
    trial.check_finished(url, "after kills while it was settled")


def killed_while_an_index_is_built(trial: Trial, url: str) -> None:
    """What CONCURRENTLY leaves half built is built again."""
    command = Command(url, trial.home)
    with ExitStack() as held:

        def hold(_command: Command, line: str) -> None:
            if line.startswith("Changed"):
                held.enter_context(holding(url, "messages IN ROW EXCLUSIVE MODE"))

        runs = begun(command, _BUILDS, hold)
        trial.check(runs.is_alive(), "killed while an index is built: it was in the midst of it")
        command.kill()
        runs.join()
        end_strangers(url)
    trial.check(asked(url, _HALF_BUILT), "killed while an index is built: it is left half built")
    trial.check_finished(url, "after a kill while an index is built")
    trial.check(not asked(url, _HALF_BUILT), "after a kill while an index is built: none is half built")


def beside_a_lock(trial: Trial, url: str) -> None:
    command = Command(url, trial.home)
    with holding(url, "videos IN ACCESS SHARE MODE"):
        runs = begun(command, _WAITS)
        time.sleep(_LOCK_SECONDS)
        trial.check(runs.is_alive(), f"it waits for a lock that another session holds for {_LOCK_SECONDS:.0f} s more")
    runs.join()
    trial.check(command.status == 0, "it goes on when the lock is given up")
    trial.check_kept(url, "beside a lock")


def undisturbed(trial: Trial, server: str) -> None:
    command = Command(trial.url, trial.home).run()
    trial.check(command.status == 0, f"it is adopted{'' if command.status == 0 else f': {command.words}'}")
    trial.found["seconds"] = command.seconds
    trial.check_kept(trial.url, "once adopted")
    described, stored = describe(trial.url), read_values(trial.url, trial.columns)
    again = Command(trial.url, trial.home).run()
    trial.check("Nothing to do" in again.words, "the second adoption has nothing to do")
    trial.check(
        read_values(trial.url, trial.columns) == stored, "the second adoption leaves every value as it is, sealed tokens too"
    )
    trial.check(describe(trial.url) == described, "the second adoption leaves every table, index and rule as it is")
    trial.found["second_seconds"] = again.said[-1][0]
    [backup] = {line.split()[3] for _, line in command.said if line.startswith("Backed up to")}
    with scratch_database(server) as restored:
        restore(Path(backup), restored)
        trial.check_untouched(restored, "in a database made of the backup")


def walked(trial: Trial) -> dict[str, int]:
    """How many routes answered with each class of status, as a user with rows in it."""
    storage = FolderStorage(trial.home / "storage")
    with opened(trial.url) as database, served(database, storage) as walk:
        answers = check_that_no_route_meets_what_it_does_not_know(walk)
    counted = Counter(f"{status // 100}xx" for status in answers.values())
    trial.check(counted["2xx"] > _MOST_ROUTES, f"every route answers, none with 500, 502 or 504: {dict(counted)}")
    return dict(counted)


def _today(table: str, column: str) -> str:
    return COLUMNS.get(column, column) if table in TABLES else column


def _renamed(at: str) -> str:
    table, _, column = at.partition(".")
    return f"{TABLES.get(table, table)}.{_today(table, column)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
