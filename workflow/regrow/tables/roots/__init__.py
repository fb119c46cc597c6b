"""Tables and figures of Roots Beneath the Cut."""
