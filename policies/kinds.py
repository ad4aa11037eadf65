"""The types of resources that the policies know."""

APP = "digitalocean:index/app:App"
BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
DATABASE = "digitalocean:index/databaseDb:DatabaseDb"
DROPLET = "digitalocean:index/droplet:Droplet"
FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
MONITOR_ALERT = "digitalocean:index/monitorAlert:MonitorAlert"
POOL = "digitalocean:index/databaseConnectionPool:DatabaseConnectionPool"
REPLICA = "digitalocean:index/databaseReplica:DatabaseReplica"
USER = "digitalocean:index/databaseUser:DatabaseUser"
VOLUME = "digitalocean:index/volume:Volume"
VPC = "digitalocean:index/vpc:Vpc"

# Engines of a cluster that holds nothing but what can be made again.
CACHES = ("valkey", "redis")

# Trellis's own record of a stack's phase; other programs name the phase in the pack's config.
PHASE = "pulumi-python:dynamic/phase:Phase"
MIGRATIONS = "pulumi-python:dynamic/migrations:Migrations"
