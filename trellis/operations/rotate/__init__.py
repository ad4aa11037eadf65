"""Passwords change while they are in use: a role has two logins that take turns."""
