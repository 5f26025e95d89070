"""The twin of Dropbox's API version 2, routed and checked by the types of the official SDK."""
