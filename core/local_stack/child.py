"""Run by the runner as `python -I -S child.py DEATH_SIGNAL PARENT MODE UID GID PROGRAM…`: becomes PROGRAM, and dies with its parent.

A program of its own, because code between fork and exec of a threaded process is not safe. MODE is `same`, `setuid` (become UID
and GID) or `userns` (stay root on the host, be seen as UID and GID by the program: for servers that refuse root).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
LOST = 70  # EX_SOFTWARE


def main(words: list[str], argv: list[str]) -> None:
    """Never returns."""
    death_signal, parent, uid, gid = (int(words[index]) for index in (0, 1, 3, 4))
    mode = words[2]
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
    if mode == "setuid":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    elif mode == "userns" and libc is not None:
        if libc.unshare(CLONE_NEWUSER):
            sys.exit(f"no user namespace: {os.strerror(ctypes.get_errno())}")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{gid} 0 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  (pathlib is slow to import)
                file.write(text)
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the line above
            sys.exit(LOST)
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:6], sys.argv[6:])
