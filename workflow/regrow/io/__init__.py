"""Files of the workflow: written in one step, read with one sentence when they cannot be."""
