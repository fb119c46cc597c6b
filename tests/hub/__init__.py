"""A server on this machine that speaks the hub's protocol, and can be told to fail."""
