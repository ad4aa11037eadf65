"""A self-hosted server, from the side of the program."""
