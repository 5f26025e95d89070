"""Descriptions of databases: read them, compare two of them, bring one of an earlier generation to ours."""
