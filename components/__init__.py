"""The parts of a system, one component a file. The only package that imports a cloud provider's SDK."""
