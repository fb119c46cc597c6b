"""Is a model that somebody pruned safe to publish? Files of any make, what is missing, copies, attacks, an answer."""
