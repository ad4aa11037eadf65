"""Scenarios of Droplets and of what belongs to them."""

from tests.providers.scenarios import Change, Diff, Drop, Import, Inputs, Make, Scenario

DROPLET: Inputs = {"name": "db-1", "image": "debian-12-x64", "region": "nyc1", "size": "s-1vcpu-1gb"}

INSIDE: Inputs = {"protocol": "tcp", "portRange": "5432", "sourceAddresses": ["10.0.0.0/16", "192.0.2.1"]}
OUTSIDE: Inputs = {"protocol": "tcp", "portRange": "all", "destinationAddresses": ["0.0.0.0/0", "::/0"]}
PING: Inputs = {"protocol": "icmp", "sourceTags": ["monitoring"]}

SCENARIOS = [
    Scenario(
        "droplet",
        [
            Make("net", "vpc:Vpc", {"name": "villa-net", "region": "nyc1", "ipRange": "10.0.0.0/16"}),
            Make("disk", "volume:Volume", {"name": "data", "region": "nyc1", "size": 10}),
            Make(
                "db",
                "droplet:Droplet",
                DROPLET
                | {
                    "vpcUuid": "${net.id}",
                    "userData": "#cloud-config\npackages: [postgresql-15]\n",
                    "sshKeys": ["512189"],
                    "volumeIds": ["${disk.id}"],
                    "monitoring": True,
                    "tags": ["database", "primary"],
                },
            ),
            Diff("db", {"userData": "#cloud-config\n"}),
            Diff("db", {"userData": None}),
            Diff("db", {"image": "debian-13-x64"}),
            Diff("db", {"region": "NYC1"}),
            Diff("db", {"region": "ams3"}),
            Diff("db", {"sshKeys": ["other"]}),
            Diff("db", {"vpcUuid": "other"}),
            Diff("db", {"monitoring": False}),
            Diff("db", {"publicNetworking": False}),
            Diff("db", {"tags": ["primary", "database"]}),
            Change("db", {"size": "s-1vcpu-2gb"}),
            Change("db", {"name": "db-2"}),
            Change("db", {"tags": ["database", "standby"]}),
            Change("db", {"volumeIds": []}),
            Change("db", {"volumeIds": ["${disk.id}"]}),
            Import("db", "droplet:Droplet", "${db.id}"),
            Drop("db"),
            Drop("disk"),
        ],
    ),
    Scenario(
        "droplet-plain",
        [
            Make("plain", "droplet:Droplet", {"image": "debian-12-x64", "size": "s-1vcpu-1gb", "name": "plain"}),
            Change("plain", {"gracefulShutdown": True}),
            Change("plain", {"resizeDisk": False, "size": "s-1vcpu-2gb"}),
            Drop("plain"),
            Make("inside", "droplet:Droplet", DROPLET | {"publicNetworking": False, "dropletAgent": False}),
            Diff("inside", {"dropletAgent": True}),
            Drop("inside"),
        ],
    ),
    Scenario(
        "volume",
        [
            Make(
                "disk",
                "volume:Volume",
                {
                    "name": "data",
                    "region": "NYC1",
                    "size": 10,
                    "description": "the database",
                    "initialFilesystemType": "ext4",
                    "initialFilesystemLabel": "pgdata",
                    "tags": ["database"],
                },
            ),
            Diff("disk", {"region": "nyc1"}),
            Diff("disk", {"region": "ams3"}),
            Diff("disk", {"name": "other"}),
            Diff("disk", {"initialFilesystemType": "xfs"}),
            Diff("disk", {"description": None}),
            Change("disk", {"size": 20}),
            Change("disk", {"tags": ["database", "wal"]}),
            Import("disk", "volume:Volume", "${disk.id}"),
            Drop("disk"),
            Make("raw", "volume:Volume", {"name": "raw", "region": "nyc1", "size": 1, "filesystemType": "ext4"}),
            Diff("raw", {"filesystemType": "xfs"}),
            Drop("raw"),
        ],
    ),
    Scenario(
        "firewall",
        [
            Make("db", "droplet:Droplet", DROPLET),
            Make(
                "wall",
                "firewall:Firewall",
                {
                    "name": "database",
                    "dropletIds": ["${db.id}"],
                    "inboundRules": [INSIDE, PING],
                    "outboundRules": [OUTSIDE],
                    "tags": ["database"],
                },
            ),
            Diff("wall", {"inboundRules": [PING, INSIDE]}),
            Change("wall", {"name": "databases", "tags": None}),
            Change("wall", {"inboundRules": [INSIDE | {"sourceDropletIds": ["${db.id}"]}]}),
            Change("wall", {"outboundRules": [OUTSIDE | {"protocol": "udp", "portRange": "53"}], "dropletIds": None}),
            Import("wall", "firewall:Firewall", "${wall.id}"),
            Drop("wall"),
            Drop("db"),
        ],
    ),
]
