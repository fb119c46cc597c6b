"""Models: pipelines, deltas, and what a publisher hands out."""
