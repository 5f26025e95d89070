"""The status machine of jobs and steps: the only writer of a status.

Step: waiting → queued (what it comes after has ended) · queued, retrying → running (claim) ·
running → succeeded | failed | retrying | cancelled | quarantined · running → queued (released, snoozed, lease expired) ·
waiting, queued, retrying → cancelled · any final status → waiting, queued (an operator's retry).
The job's own status is derived from its steps, in the same transaction, by `advance`.

Every function runs in its caller's transaction. Where a job and its steps are both locked, the job's row comes first.
"""

from db.jobs.archive import Rest, archive_jobs, drop_months, list_ended, list_months, make_months
from db.jobs.audit import Invariant, Violation, count_violations, find_violations, heal, keep_violation
from db.jobs.batches import (
    DueHook,
    Hook,
    cancel_batch,
    count_jobs,
    get_batch,
    insert_batch,
    keep_hook,
    settle_batches,
    status_of,
)
from db.jobs.breakers import (
    SHUT,
    Breaker,
    close_breaker,
    list_breakers,
    name_provider,
    open_breaker,
    record_failure,
)
from db.jobs.budgets import Budget, Per, Spend, list_budgets, refund, set_budget, spend
from db.jobs.claims import claim, claim_many
from db.jobs.effects import Effect, EffectStatus, intend, intend_again, list_effects, settle_effect
from db.jobs.ends import Rows, Success, cancel_step, fail, holds, put_back, release, retry_later, succeed
from db.jobs.headroom import HAS_ROOM, Free, Needs, find_shortage, reserve
from db.jobs.insert import insert_job, insert_jobs
from db.jobs.leases import Renewal, insert_log_line, list_needed_claims, list_running_claims, renew, save_checkpoint
from db.jobs.limits import HEAVIEST, LIGHTEST, Limit, Limits, list_limits, list_weights, read_limits, set_limit, set_weight
from db.jobs.losses import record_death, rescue
from db.jobs.operate import delete_jobs, request_cancel, retry
from db.jobs.pauses import ALL_PAUSED, NOT_PAUSED, Pause, list_pauses, pause, resume
from db.jobs.poison import has_killed, quarantine
from db.jobs.scope import Scope
from db.jobs.time_limits import stop_late_jobs
from db.jobs.times import keep_times
from db.jobs.unique import OnConflict, insert_unique_job, lock_holders
from db.jobs.words import DEFAULT_PRIORITY, LIVE_STATUSES, NO_EVIDENCE, WORKER_LIVES, Claim, Evidence, NewStep, Status

__all__ = [
    "ALL_PAUSED",
    "DEFAULT_PRIORITY",
    "HAS_ROOM",
    "HEAVIEST",
    "LIGHTEST",
    "LIVE_STATUSES",
    "NOT_PAUSED",
    "NO_EVIDENCE",
    "SHUT",
    "WORKER_LIVES",
    "Breaker",
    "Budget",
    "Claim",
    "DueHook",
    "Effect",
    "EffectStatus",
    "Evidence",
    "Free",
    "Hook",
    "Invariant",
    "Limit",
    "Limits",
    "Needs",
    "NewStep",
    "OnConflict",
    "Pause",
    "Per",
    "Renewal",
    "Rest",
    "Rows",
    "Scope",
    "Spend",
    "Status",
    "Success",
    "Violation",
    "archive_jobs",
    "cancel_batch",
    "cancel_step",
    "claim",
    "claim_many",
    "close_breaker",
    "count_jobs",
    "count_violations",
    "delete_jobs",
    "drop_months",
    "fail",
    "find_shortage",
    "find_violations",
    "get_batch",
    "has_killed",
    "heal",
    "holds",
    "insert_batch",
    "insert_job",
    "insert_jobs",
    "insert_log_line",
    "insert_unique_job",
    "intend",
    "intend_again",
    "keep_hook",
    "keep_times",
    "keep_violation",
    "list_breakers",
    "list_budgets",
    "list_effects",
    "list_ended",
    "list_limits",
    "list_months",
    "list_needed_claims",
    "list_pauses",
    "list_running_claims",
    "list_weights",
    "lock_holders",
    "make_months",
    "name_provider",
    "open_breaker",
    "pause",
    "put_back",
    "quarantine",
    "read_limits",
    "record_death",
    "record_failure",
    "refund",
    "release",
    "renew",
    "request_cancel",
    "rescue",
    "reserve",
    "resume",
    "retry",
    "retry_later",
    "save_checkpoint",
    "set_budget",
    "set_limit",
    "set_weight",
    "settle_batches",
    "settle_effect",
    "spend",
    "status_of",
    "stop_late_jobs",
    "succeed",
]
