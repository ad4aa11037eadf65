"""Dumps of a stack's databases, kept outside the cluster: made, kept as long as was asked, and restored."""
