"""The floor under everything: settings, log, errors, ids, storage, sandbox, nudge and the local stack. Knows no table and no pipeline."""
