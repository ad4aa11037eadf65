"""One local cloud: its records, its servers and what the API needs besides."""

import secrets
import uuid
from dataclasses import dataclass, field

from localcloud import machines, servers
from localcloud.access import issue_token
from localcloud.droplets import Droplets
from localcloud.faults import Faults
from localcloud.fleet import Fleet
from localcloud.journal import Journal
from localcloud.options import Layout, Options
from localcloud.records import MetricsLogin, Project, Zone, now
from localcloud.spaces.account import AccountKeys, add_first_key
from localcloud.spaces.app import Spaces
from localcloud.state import State
from localcloud.vault import Vault

ACCOUNT_ID = "10ca1c10-0000-4000-8000-000000000001"
"""The one account of a local cloud. Fixed, so that two of them can be compared."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Everything behind the API."""

    options: Options
    layout: Layout
    state: State
    token: str
    vault: Vault
    journal: Journal
    faults: Faults
    fleet: Fleet
    droplets: Droplets
    spaces: Spaces
    addresses: dict[str, str] = field(default_factory=dict)
    """Where the API answers besides its port."""

    @classmethod
    def open(cls, options: Options) -> "Cloud":
        """The cloud kept in `options.state`, made there when it is new. Starts no server yet.

        Raises StateError, servers.ToolMissing, servers.FolderUnusable.
        """
        layout = Layout(state=options.state)
        layout.create()
        state = State(layout.records)
        vault = Vault(layout.key)
        cloud = cls(
            options=options,
            layout=layout,
            state=state,
            token=issue_token(layout.token),
            vault=vault,
            spaces=Spaces(layout.spaces, AccountKeys(state, vault)),
            journal=Journal(layout.journal),
            faults=Faults(),
            droplets=Droplets(layout, state, machines.Host(options.droplet_images)),
            fleet=Fleet(
                layout,
                state,
                servers.Tools.locate(options.postgresql, options.pgbouncer, options.state, options.valkey),
                options.pace,
            ),
        )
        cloud._furnish()
        return cloud

    def follow_droplets(self) -> None:
        """Has servers and machines go by the Droplets, their tags and firewalls as they are now."""
        self.fleet.follow_droplets()
        self.droplets.follow_firewalls()

    def _furnish(self) -> None:
        with self.state.transaction() as tables:
            if not tables.projects:
                project = Project(
                    id=str(uuid.uuid4()),
                    name="first-project",
                    purpose="Just trying out DigitalOcean",
                    description="",
                    environment="Development",
                    is_default=True,
                    created_at=now(),
                    updated_at=now(),
                )
                tables.projects[project.id] = project
            password = self.vault.seal(secrets.token_urlsafe(18))
            login = MetricsLogin(username=secrets.token_hex(8), sealed_password=password)
            tables.metrics_logins.setdefault("account", login)
            add_first_key(tables, self.vault, self.token)
            known = {zone.name for zone in tables.zones.values()}
            for name in self.options.zones:
                if name not in known:
                    zone = Zone(id=uuid.uuid4().hex, name=name, created_on=now())
                    tables.zones[zone.id] = zone
