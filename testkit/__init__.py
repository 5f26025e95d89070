"""What authors of pipelines test with: real Postgres, no Redis, every step in the test's own process.

    worker.perform(PIPELINE, Args(…))               a whole job; returns what each step returned
    worker.perform(step, Args(…), results={…})      one step, with what the steps before it returned
    worker.drain()                                  runs whatever is due, and what that unblocks
    assert_enqueued(session, "name", args={…})      looks for jobs; says what is there where there are none
    registered(PIPELINE)                            makes a pipeline known that is in no file of `pipelines/`

`docs/new_pipeline.md` shows them at work. Nothing that is shipped imports this package (checked by import-linter).
"""

from testkit.enqueued import assert_enqueued
from testkit.registry import registered
from testkit.worker import NotSucceeded, Worker

__all__ = ["NotSucceeded", "Worker", "assert_enqueued", "registered"]
