"""Defences: hide the traces of an erasing before a model is published; one file per method."""
