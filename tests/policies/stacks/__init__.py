"""Complete programs for the policies: a shop that breaks none, and one program for each thing that can be broken."""
