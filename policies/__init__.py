"""A policy pack for any Pulumi program that puts databases on DigitalOcean, in whatever language it is written."""
