"""Protocol servers on loopback that stand in for the services outside, so that unmodified SDKs run with no account.

Each twin answers what the service would answer, checks requests and answers by the service's own published types, keeps what it
is told in a directory, and fails on command. Nothing in production imports this package.
"""
