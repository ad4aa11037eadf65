"""A cloud on one machine: the part of DigitalOcean's and Cloudflare's APIs that managed PostgreSQL needs.

Behind the API run real servers (PostgreSQL, PgBouncer). Nothing listens anywhere but on loopback addresses.
`python -m localcloud --help` is the way in; README.md in this folder says what is enforced, stored or ignored.
"""
