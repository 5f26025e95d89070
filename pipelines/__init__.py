"""What is done: pipelines, their steps, and the providers at the border to everything outside."""
