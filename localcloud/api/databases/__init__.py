"""/v2/databases: managed database clusters and everything that belongs to one."""
