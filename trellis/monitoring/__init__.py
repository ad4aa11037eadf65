"""What is looked at in a stack, from when on something is a finding, and who is told.

`trellis status` asks these questions from wherever it runs; a stack's machine for monitoring, and Prometheus and
Alertmanager on a machine of one's own, are given them as files.
"""
