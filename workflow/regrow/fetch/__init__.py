"""Fetch base models, judges and prompt sets from where they are published, by commit and digest."""
