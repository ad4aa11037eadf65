"""Pulumi provider plugins for machines that cannot get the official ones.

They serve Pulumi's provider protocol for the resource types a PostgreSQL platform needs and make the same HTTP calls
as the official plugins, against the local cloud or the real APIs.
"""
