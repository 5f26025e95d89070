"""Pipelines for tests only, found because this folder is on the path."""
