"""The distributions as others install them."""
