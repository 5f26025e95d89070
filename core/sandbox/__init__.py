"""The cell in which every parser of hostile bytes runs, and the launcher program that builds it."""
