"""Erasers: take a concept out of a model; one file per method."""
