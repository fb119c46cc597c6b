"""Audit whether an erased concept grows back in a text-to-image model."""

__version__ = "0.6.0"
