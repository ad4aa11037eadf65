"""The subcommand `status`: how a stack's clusters and databases are, and what has to be done."""
