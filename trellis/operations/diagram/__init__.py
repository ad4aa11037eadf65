"""A system as a drawing: what a stack builds and what hangs on what."""
