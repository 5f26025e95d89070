"""Twins of Google's APIs, routed and checked by the discovery documents that the official client ships."""
