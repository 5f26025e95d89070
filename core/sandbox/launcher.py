"""Run by the sandbox as `python -I -S launcher.py STATUS`: builds the cell, starts the program in it, tells how it ended.

A program of its own, because code between fork and exec of a threaded process is not safe, and because process 1 of a pid
namespace must be ours. Three processes: the launcher, outside, which is waited for; process 1, inside, which builds the
cell and buries the dead; the program. Standard input carries the plan, then stays open as the line to the parent: the
parent's death closes it, however it died. STATUS is the descriptor for reports (see plan.Report); the launcher and
process 1 alone hold it, so that its end proves theirs.
"""

import contextlib
import errno
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import NoReturn

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from core.sandbox import kernel
from core.sandbox.plan import Plan, Report
from core.sandbox.root import build_root
from core.sandbox.seccomp import call_filter
from core.sandbox.supervise import Reaper, kill_leftovers, send_to_family, send_to_namespace

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
_OOM_FIRST = "500"


class Launcher:
    """One launch."""

    def __init__(self, status: int) -> None:
        self._status = status
        os.set_inheritable(status, False)  # noqa: FBT003  (takes no keyword)
        self._plan: Plan = json.loads(_read_exactly(0, struct.unpack("!Q", _read_exactly(0, 8))[0]))
        self._lifeline = os.dup(0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def run(self) -> None:
        """Returns when the program and all it started are gone."""
        with self._telling():
            _be_killed_first()
            if self._plan["namespaces"]:
                self._run_in_namespaces()
            else:
                self._run_here()

    def _run_in_namespaces(self) -> None:
        _enter_namespaces(own_user=self._plan["user_namespace"])
        kernel.die_with_parent(signal.SIGKILL)
        init = os.fork()
        if init == 0:
            with self._telling():
                self._be_init()
            os._exit(0)  # the kernel kills and buries all that is left before the launcher learns of this end
        os.waitpid(init, 0)

    def _be_init(self) -> None:
        kernel.die_with_parent(signal.SIGKILL)  # if the launcher died before this line, the lifeline tells
        kernel.set_host_name("sandbox")
        if self._plan["loopback"]:
            kernel.raise_loopback()
        build_root(self._plan)
        kernel.hide_memory()
        reaper = Reaper()
        self._report(reaper.wait(self._start_program(), self._lifeline, send_to_namespace))

    def _run_here(self) -> None:
        if kernel.LINUX:
            kernel.adopt_orphans()
        reaper = Reaper()
        program = self._start_program()
        send = send_to_family(program)
        report = reaper.wait(program, self._lifeline, send)
        if kill_leftovers(send):
            self._report(report)

    def _start_program(self) -> int:
        parent = os.getpid()
        program = os.fork()
        if program == 0:
            with self._telling():
                self._become_program(parent)
            os._exit(127)
        return program

    def _become_program(self, parent: int) -> None:
        """Order: what needs privilege, what takes it away, what hinders even ourselves."""
        os.setsid()
        os.umask(0o077)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # an ignored signal stays ignored across exec
        self._report(Report(filtered=_lock_in(self._plan)))
        if kernel.LINUX:
            kernel.die_with_parent(signal.SIGKILL)
            if os.getppid() != parent:
                return
        os.chdir(self._plan["folder"][1])
        for name, value in self._plan["limits"].items():
            _limit(getattr(resource, name), value)
        argv = self._plan["argv"]
        os.execvp(argv[0], argv)  # noqa: S606

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._report(Report(failed=_words(error), errno=error.errno or 0))
        except MemoryError:
            self._report(Report(failed="it does not even start with the memory it may have", errno=errno.ENOMEM))
        except Exception as error:  # noqa: BLE001  (whatever it is, the parent must know)
            self._report(Report(failed=f"{type(error).__name__}: {error}", errno=0))

    def _report(self, report: Report) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody is left to know
            os.write(self._status, json.dumps(report).encode() + b"\n")


def _enter_namespaces(*, own_user: bool) -> None:
    if not own_user:
        kernel.unshare(_NAMESPACES)
    elif os.geteuid() == 0:
        _enter_as_root()
    else:
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(_NAMESPACES | kernel.CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")


def _enter_as_root() -> None:
    """Root keeps every id, so that it may read what others own and become nobody. Only a process outside may say so."""
    wait, go = os.pipe()
    launcher = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(go)
        if os.read(wait, 1):
            with contextlib.suppress(OSError):
                for name in ("uid_map", "gid_map"):
                    _write(f"/proc/{launcher}/{name}", _every_id(name))
                os._exit(0)
        os._exit(1)
    os.close(wait)
    kernel.unshare(_NAMESPACES & ~kernel.CLONE_NEWPID | kernel.CLONE_NEWUSER)
    os.write(go, b"1")
    os.close(go)
    if os.waitpid(helper, 0)[1]:
        raise PermissionError(1, "no ids may be mapped into a user namespace")
    kernel.unshare(kernel.CLONE_NEWPID)


def _every_id(name: str) -> str:
    """The ids that exist here (a container has fewer), each mapped to itself."""
    with open(f"/proc/self/{name}") as file:  # noqa: PTH123
        rows = [line.split() for line in file]
    return "".join(f"{start} {start} {count}\n" for start, _, count in rows)


def _lock_in(plan: Plan) -> bool:
    """From here on nothing can be gained, whatever is run. Tells whether calls are filtered."""
    if kernel.LINUX:
        kernel.forget_bounding_set()
    if plan["identity"]:
        uid, gid = plan["identity"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if not kernel.LINUX:
        return False
    kernel.forget_capabilities()
    kernel.forbid_new_privileges()
    return _filter_calls(sockets=plan["namespaces"])


def _filter_calls(*, sockets: bool) -> bool:
    code = call_filter(sockets=sockets)
    if code is None:
        return False
    try:
        kernel.filter_calls(code)
    except OSError:  # a kernel without filters; `doctor` says so
        return False
    return True


def _limit(resource_number: int, value: int) -> None:
    """Lower a limit; one that is lower already stays. CPU time gets a soft limit, so that its end has its own signal."""
    hard = resource.getrlimit(resource_number)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    ceiling = soft + 1 if resource_number == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource_number, (soft, ceiling))


def _be_killed_first() -> None:
    """When memory runs out, the kernel should take the child, never the worker or a database."""
    with contextlib.suppress(OSError):
        _write("/proc/self/oom_score_adj", _OOM_FIRST)


def _words(error: OSError) -> str:
    return f"{error.strerror} ({error.filename!r})" if error.filename else str(error.strerror)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123  (pathlib is slow to import)
        file.write(text)


def _read_exactly(descriptor: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = os.read(descriptor, size - len(found))
        if not chunk:
            sys.exit(0)  # the parent died
        found += chunk
    return found


def main() -> NoReturn:
    """Ends when the launch has."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGINT, signal.SIGTERM):  # a program inside may send them to process 1
        signal.signal(number, signal.SIG_IGN)
    Launcher(int(sys.argv[1])).run()
    os._exit(0)


if __name__ == "__main__":
    main()
