"""One module per outside thing, each with an offline stand-in that ships; no SDK exception leaves here."""
