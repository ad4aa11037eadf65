"""Keeps the machines in step with the records of Droplets."""

import logging
import threading
from typing import Any

from localcloud import machines
from localcloud.compute import Action, Droplet
from localcloud.firewalls import walls
from localcloud.jobs import Jobs
from localcloud.options import Layout
from localcloud.records import now
from localcloud.state import State, Tables

_log = logging.getLogger("localcloud.droplets")


class Droplets:
    """All machines of one local cloud. Like the servers of clusters, they are started and stopped on worker threads."""

    def __init__(self, layout: Layout, state: State, host: machines.Host) -> None:
        self._layout = layout
        self._state = state
        self.host = host
        self._jobs = Jobs("droplets")
        self._following = threading.Lock()
        # Keeps others from changing a Droplet's machine and volumes, by its id.
        self.guard = self._jobs.guard
        self.busy = self._jobs.busy

    def require(self, image: str) -> None:
        """Raises machines.HostUnfit unless a Droplet of this image can run here."""
        self.host.require(image, self._layout.state)

    def create(self, spec: machines.MachineSpec) -> None:
        """Makes the files of a machine. `settle` boots it."""
        machines.Machine.create(self._layout.machine(spec.id), spec, self.host)

    def machine(self, id: int) -> machines.Machine:
        """The machine of a Droplet."""
        return machines.Machine(self._layout.machine(id))

    def volume(self, id: str) -> machines.Volume:
        """The disk of a volume."""
        return machines.Volume(self._layout.volume(id))

    def settle_all(self) -> None:
        """Brings every Droplet to its wanted state, and removes machines and volumes that no record knows."""
        # Files are made before their record is complete, so they are looked for before the records are read.
        found = list(self._layout.machines.glob("*")), list(self._layout.volumes.glob("*"))
        tables = self._state.read()
        for folder in found[0]:
            if folder.name not in tables.droplets:
                machines.Machine.discard(folder)
        for folder in found[1]:
            if folder.name not in tables.volumes:
                machines.Volume.discard(folder)
        for droplet in tables.droplets.values():
            self.settle(droplet.id)

    def follow_firewalls(self) -> None:
        """Has every machine keep to the firewalls as they are now."""
        # Whoever comes last reads last.
        with self._following:
            tables = self._state.read()
            for droplet in tables.droplets.values():
                if machines.Machine.exists(self._layout.machine(droplet.id)):
                    self.machine(droplet.id).keep_to(walls(tables, droplet))

    def settle(self, id: int) -> None:
        """Switches one Droplet on or off, as its record says, on a worker thread."""
        self._jobs.submit(self._settle, id)

    def stop_all(self) -> None:
        """Waits for the jobs under way, then switches all machines off. Their records stay: they shall run again."""
        # Read when the last job has written.
        self._jobs.end(self._switch_off, lambda: self._state.read().droplets.values())  # noqa: PLW0108

    def destroy(self, droplet: Droplet) -> None:
        """Ends the machine, removes its files and its record. Its volumes stay, attached to nothing."""
        with self.guard(droplet.id):
            self._switch_off(droplet)
            machines.Machine.discard(self._layout.machine(droplet.id))
            with self._state.transaction() as tables:
                tables.droplets.pop(str(droplet.id), None)
                for volume in [item for item in tables.volumes.values() if item.droplet_id == droplet.id]:
                    tables.volumes[volume.id] = volume.model_copy(update={"droplet_id": None})
                for firewall in list(tables.firewalls.values()):
                    rest = tuple(id for id in firewall.droplet_ids if id != droplet.id)
                    tables.firewalls[firewall.id] = firewall.model_copy(update={"droplet_ids": rest})

    def _settle(self, id: int) -> None:
        with self.guard(id):
            droplet = self._state.read().droplets.get(str(id))
            if droplet is None:
                return
            if droplet.deleting:
                self.destroy(droplet)
                return
            try:
                if droplet.on:
                    self.machine(id).start(self._volumes(id), walls(self._state.read(), droplet))
                    # They may have changed meanwhile; and a machine that ran already has those of before.
                    self.follow_firewalls()
                else:
                    self._switch_off(droplet)
            except Exception as problem:
                _log.exception("Droplet %s", droplet.name)
                self._finish(id, "errored", status="off", on=False, failure=str(problem))
                return
            self._finish(id, "completed", status="active" if droplet.on else "off", failure="")

    def _finish(self, id: int, outcome: str, **changes: Any) -> None:
        with self._state.transaction() as tables:
            tables.droplets[str(id)] = tables.droplets[str(id)].model_copy(update=changes)
            for action in pending(tables, id):
                tables.actions[str(action.id)] = action.model_copy(update={"status": outcome, "completed_at": now()})

    def _switch_off(self, droplet: Droplet) -> None:
        if machines.Machine.exists(self._layout.machine(droplet.id)):
            self.machine(droplet.id).stop()
        for volume in self._volumes(droplet.id):
            volume.detach()

    def _volumes(self, id: int) -> list[machines.Volume]:
        attached = [record for record in self._state.read().volumes.values() if record.droplet_id == id]
        return [self.volume(record.id) for record in attached]


def pending(tables: Tables, id: int) -> list[Action]:
    """The actions of a Droplet that are under way."""
    return [
        action
        for action in tables.actions.values()
        if action.resource_id == id and action.resource_type == "droplet" and action.status == "in-progress"
    ]
