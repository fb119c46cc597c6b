"""The tables and figures of an audit: one module per table, found by its file's name."""
