"""Tables and figures of our own."""
