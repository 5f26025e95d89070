"""What the whole stack costs while it has nothing to do: memory of each process, and processor time over one minute.

    ./askstephen bench idle_cost [--quick]

Starts `up` in a home of its own without the sample, lets it settle, then watches every process that belongs to it.
Memory is PSS (shared pages counted in parts), so that the sum is what the machine loses. The last line is JSON.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTLE_SECONDS = 15
TICKS = os.sysconf("SC_CLK_TCK")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="watch for 20 seconds instead of 60")
    parser.add_argument("--data", help="not used")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="askstephen-idle-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        command = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(home)]
        up = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "SAMPLE": "false"}, stdout=subprocess.PIPE, text=True)
        try:
            while up.stdout and not up.stdout.readline().startswith("Open"):
                assert up.poll() is None, "the platform did not start"
            time.sleep(SETTLE_SECONDS)
            figures = watch(up.pid, seconds=20 if options.quick else 60)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)
    print(json.dumps(figures))
    return 0


def watch(top: int, *, seconds: int) -> dict[str, float]:
    """Print what each process below `top` costs; returns the sums."""
    before = {number: cpu_seconds(number) for number in family(top)}
    time.sleep(seconds)
    megabytes = spent = 0.0
    for number in family(top):
        memory, used = pss_megabytes(number), cpu_seconds(number) - before.get(number, 0.0)
        print(f"{memory:7.1f} MB  {used:6.2f} s  {words_of(number)}")
        megabytes, spent = megabytes + memory, spent + used
    return {"memory_mb": round(megabytes, 1), "cpu_percent_of_a_core": round(100 * spent / seconds, 2), "seconds": seconds}


def family(top: int) -> list[int]:
    """`top` and every process below it that is there now."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat_fields(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = [top]
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


def stat_fields(number: int) -> list[str]:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(number: int) -> float:
    fields = stat_fields(number)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def pss_megabytes(number: int) -> float:
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def words_of(number: int) -> str:
    try:
        line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"
    return line.replace(str(ROOT), ".")[:100]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
