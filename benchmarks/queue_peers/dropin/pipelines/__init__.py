"""The benchmark's own pipeline, found because this folder is on the path."""
