"""The child's frame: reads the command line, says how far it is on standard output, and ends with a status that tells why."""

import argparse
import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import ends


def main(arguments: Sequence[str]) -> int:
    """Write what was heard to the result file, and return the exit status (`ends`)."""
    asked = _parse(arguments)
    _prepare_environment(asked.threads)
    try:
        _write(asked)
    except ends.UnusableSound as error:
        return _fail(ends.SOUND, str(error))
    except ends.UnusableModel as error:
        return _fail(ends.MODEL, str(error))
    except MemoryError:
        return _fail(ends.MEMORY, "out of memory")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(ends.ROOM, "the disk is full")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("sound", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--language")
    return parser.parse_args(arguments)


def _prepare_environment(threads: int) -> None:
    """No hub is asked for a model, and no library starts a thread per core of the machine."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


def _write(asked: argparse.Namespace) -> None:
    # Here, since native code reads the environment when it is loaded.
    from .listen import listen
    from .model import Model
    from .sound import Sound

    sound = Sound(asked.sound)
    heard = listen(sound, lambda: Model(asked.model, asked.threads), asked.language, _report)
    asked.result.write_text(json.dumps(heard), encoding="utf-8")


def _report(fraction: float) -> None:
    sys.stdout.write(json.dumps({"progress": round(fraction, 4)}) + "\n")
    sys.stdout.flush()


def _fail(status: int, sentence: str) -> int:
    sys.stderr.write(" ".join(sentence.split()) + "\n")
    return status
