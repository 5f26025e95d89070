"""The program that listens: runs as a child of its own, in the sandbox, and knows nothing of the project around it."""
