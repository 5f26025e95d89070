"""The status machine of jobs and steps: the only writer of a status.

Step: waiting → queued (what it comes after has ended) · queued, retrying → running (claim) ·
running → succeeded | failed | retrying | cancelled | quarantined · running → queued (released, snoozed, lease expired) ·
waiting, queued, retrying → cancelled · any final status → waiting, queued (an operator's retry).
The job's own status is derived from its steps, in the same transaction, by `advance`.

Every function runs in its caller's transaction. Where a job and its steps are both locked, the job's row comes first.
"""

from db.jobs.leases import Renewal, insert_log_line, list_needed_claims, list_running_claims, renew, rescue, save_checkpoint
from db.jobs.machine import (
    Claim,
    NewStep,
    Status,
    cancel_step,
    claim,
    fail,
    holds,
    insert_job,
    release,
    retry_later,
    succeed,
)
from db.jobs.operate import delete_jobs, request_cancel, retry

__all__ = [
    "Claim",
    "NewStep",
    "Renewal",
    "Status",
    "cancel_step",
    "claim",
    "delete_jobs",
    "fail",
    "holds",
    "insert_job",
    "insert_log_line",
    "list_needed_claims",
    "list_running_claims",
    "release",
    "renew",
    "request_cancel",
    "rescue",
    "retry",
    "retry_later",
    "save_checkpoint",
    "succeed",
]
