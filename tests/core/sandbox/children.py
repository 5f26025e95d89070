"""What the tests of the sandbox run in it, and what they need of the machine."""

import sys
import textwrap

import pytest

from core.children import Output
from core.sandbox.isolation import isolation

# What a container does: the calls that make namespaces are refused.
REFUSED = """
from core.sandbox import kernel
from core.sandbox.seccomp import call_filter
kernel.forbid_new_privileges()
kernel.filter_calls(call_filter(sockets=True))
"""

needs_filter = pytest.mark.skipif(not isolation().filter, reason="this machine has no call filter")
needs_namespaces = pytest.mark.usefixtures("shut_in")


def python(code: str, *words: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *map(str, words)]


def told(output: Output) -> str:
    assert output.returncode == 0, output.stderr
    return output.stdout.strip()
