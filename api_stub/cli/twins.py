"""`twins`: the services outside, on this machine, to try the product with no account."""

import argparse
from pathlib import Path

from core.errors import Misconfigured
from twins.files import ACCOUNT, put_file
from twins.running import Twins
from twins.samples import put_samples


def twins_up(options: argparse.Namespace) -> int:
    """Serve the twins until Ctrl-C, and print what a program must find in its environment to meet them."""
    with Twins(options.home.expanduser()) as twins:
        put_samples(twins)
        twins.level(every=options.bad_every, seed=options.seed)
        print(
            "# Drive, Dropbox, YouTube, Places, OpenAI and Clerk answer on this machine. Ctrl-C stops them. In another shell:"
        )
        for name, value in twins.environment().items():
            print(f"export {name}={value}")
        print("unset SSL_CERT_DIR\n./askstephen up")
        print(
            f"# Everyone who is asked to agree is {ACCOUNT}. ./askstephen twins put drive|dropbox FILE puts a video there.",
            flush=True,
        )
        return twins.wait()


def twins_put(options: argparse.Namespace) -> int:
    """Put files into the top folder of a running twin."""
    twins = Twins(options.home.expanduser())
    for file in options.file:
        if not file.is_file():
            raise Misconfigured(f"{file} is no file")
        put_file(twins, options.service, file)
        print(f"{file} is in {options.service}.")
    return 0


def twins_fault(options: argparse.Namespace) -> int:
    """Let the next requests of a running twin fail."""
    Twins(options.home.expanduser()).fault(options.twin, options.kind, times=options.times, match=options.match)
    print(f"The next {options.times} of {options.twin}: {options.kind}.")
    return 0


def add_twin_words(word: argparse.ArgumentParser) -> None:
    """Add the words that follow `twins`."""
    words = word.add_subparsers(required=True, metavar="up|put|fault")
    start = words.add_parser("up", help="serve them until Ctrl-C, and print what to set")
    start.set_defaults(function=twins_up)
    start.add_argument("--bad-every", type=int, default=0, help="one of so many answers is bad (default: 0, none)")
    start.add_argument("--seed", type=int, default=1, help="the same seed draws the same bad answers (default: 1)")
    put = words.add_parser("put", help="put files into a running twin")
    put.set_defaults(function=twins_put)
    put.add_argument("service", choices=["drive", "dropbox"])
    put.add_argument("file", type=Path, nargs="+")
    fault = words.add_parser("fault", help="let the next requests of a running twin fail")
    fault.set_defaults(function=twins_fault)
    fault.add_argument("twin", help="drive, dropbox, youtube, places, openai, clerk, google_oauth")
    fault.add_argument("kind", help="a wrong one is told which there are")
    fault.add_argument("--times", type=int, default=1, help="how many requests (default: 1)")
    fault.add_argument("--match", default="", help="only those whose `METHOD /path` this expression finds")
    for each in (start, put, fault):
        each.add_argument("--home", type=Path, default=Path(".local/twins"), help="where they keep what they know")
