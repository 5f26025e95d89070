"""What the runner and the jobs agree on."""

COUNTED = -1  # the number of a job that is counted; any other's start is noted under its number
STARTED = "bench:started"  # a hash: number to seconds of the machine's monotonic clock


def ran_key(worker: str) -> str:
    """Where one worker process counts its jobs."""
    return f"bench:ran:{worker}"


BESIDE, MOST_BESIDE = "bench:beside", "bench:most_beside"  # steps that run at this moment, and the most that ever did
