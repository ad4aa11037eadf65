"""The jobs of a system file: what is due is done, and each run is recorded in the database that it worked in."""
