"""The types of resources that the policies know, and how the engine marks a secret."""

APP = "digitalocean:index/app:App"
BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
BUCKET_OBJECT = "digitalocean:index/spacesBucketObject:SpacesBucketObject"
BUCKET_POLICY = "digitalocean:index/spacesBucketPolicy:SpacesBucketPolicy"
CLOUD_FIREWALL = "digitalocean:index/firewall:Firewall"
CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
DATABASE = "digitalocean:index/databaseDb:DatabaseDb"
DROPLET_AUTOSCALE = "digitalocean:index/dropletAutoscale:DropletAutoscale"
DROPLET = "digitalocean:index/droplet:Droplet"
FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
KUBERNETES = "digitalocean:index/kubernetesCluster:KubernetesCluster"
LOAD_BALANCER = "digitalocean:index/loadBalancer:LoadBalancer"
MONITOR_ALERT = "digitalocean:index/monitorAlert:MonitorAlert"
NFS = "digitalocean:index/nfs:Nfs"
NODE_POOL = "digitalocean:index/kubernetesNodePool:KubernetesNodePool"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105
POOL = "digitalocean:index/databaseConnectionPool:DatabaseConnectionPool"
REPLICA = "digitalocean:index/databaseReplica:DatabaseReplica"
SPACES_KEY = "digitalocean:index/spacesKey:SpacesKey"
STACK = "pulumi:pulumi:Stack"
USER = "digitalocean:index/databaseUser:DatabaseUser"
VOLUME = "digitalocean:index/volume:Volume"
VPC = "digitalocean:index/vpc:Vpc"

# The key that what stands for a secret has, in a state and in the engine's events.
MASKED = "4dabf18193072939515e22adb298388d"

# What is gone with its contents when it is deleted.
DATA = (CLUSTER, DATABASE, VOLUME, BUCKET, NFS)

# What DigitalOcean calls PostgreSQL, in its two editions.
POSTGRESQL = ("pg", "advanced_pg")
# Engines of a cluster that holds nothing but what can be made again.
CACHES = ("valkey", "redis")

# Trellis's own record of a stack's phase; other programs name the phase in the pack's config.
PHASE = "pulumi-python:dynamic/phase:Phase"
# What gives a pool another size while it stands, and goes before the size that the pool was made with.
POOL_SIZE = "pulumi-python:dynamic/pool:PoolSize"
MIGRATIONS = "pulumi-python:dynamic/migrations:Migrations"
