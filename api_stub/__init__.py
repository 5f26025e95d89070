"""The thin HTTP stub: enqueues jobs, reports their status from the database, draws the dashboard."""
