"""The `trellis` command: what a team does with a stack after it is up."""
