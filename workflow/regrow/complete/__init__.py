"""Completers: fill the missing entries of one weight matrix; one file per method."""
