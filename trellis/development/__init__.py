"""Stacks on the local cloud: what a machine must have for them, and `trellis dev`, which runs them."""
