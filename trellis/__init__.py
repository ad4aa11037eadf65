"""PostgreSQL on DigitalOcean that grows with a product: what the components run on, and the `trellis` command."""
