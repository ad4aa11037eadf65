"""Droplets, volumes, firewalls and SSH keys of the stub API."""

from collections.abc import Callable
from typing import Any

NOW = "2026-01-02T03:04:05Z"
Body = dict[str, Any]
Answer = tuple[int, Body | None]

SIZES: dict[str, Body] = {
    "s-1vcpu-1gb": {"memory": 1024, "vcpus": 1, "disk": 25, "price_monthly": 6.0, "price_hourly": 0.00893},
    "s-1vcpu-2gb": {"memory": 2048, "vcpus": 1, "disk": 50, "price_monthly": 12.0, "price_hourly": 0.01786},
}


class StubDroplets:
    """Keeps its things in the stub API's store. Raises KeyError for what is not there."""

    def __init__(self, store: dict[str, Body]) -> None:
        self._store = store
        self._last = 1000
        self.handlers: dict[str, Callable[[str, list[str], Body], Answer]] = {
            "droplets": self._droplets,
            "volumes": self._volumes,
            "firewalls": self._firewalls,
            "actions": self._actions,
        }

    def tag(self, kind: str, identity: str, name: str, *, add: bool) -> None:
        """Puts a tag on a Droplet or a volume, or takes it off."""
        item = self._store[f"{kind}s/{identity}"]
        kept = [tag for tag in item["tags"] if tag != name]
        item["tags"] = [*kept, name] if add else kept

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _crud(self, method: str, key: str, root: str, body: Body) -> Answer:
        item = self._store[key]
        if method == "DELETE":
            del self._store[key]
            return 204, None
        if method == "PUT":
            item.update(body)
        return 200, {root: item}

    def _droplets(self, method: str, parts: list[str], body: Body) -> Answer:
        if not parts:
            return 202, {"droplet": self._new_droplet(body)}
        key = f"droplets/{parts[0]}"
        droplet = self._store[key]
        if len(parts) > 1:
            return 201, {"action": self._act(droplet, body)}
        if method == "GET" and droplet["status"] == "new":
            droplet.update(status="active", locked=False)
        return self._crud(method, key, "droplet", body)

    def _new_droplet(self, body: Body) -> Body:
        number = self._number()
        volumes = [volume["id"] for volume in body.get("volumes") or []]
        addresses = {"public": "203.0.113.7", "private": "10.116.0.2"}
        if body.get("public_networking") is False:
            del addresses["public"]
        features = [name for name in ("monitoring", "ipv6", "backups") if body.get(name)]
        droplet: Body = {
            "id": number,
            "name": body["name"],
            "locked": True,
            "status": "new",
            "created_at": NOW,
            "features": ["droplet_agent", "private_networking", *features],
            "image": {"id": 4711, "slug": body["image"]},
            "volume_ids": volumes,
            "networks": {
                "v4": [{"ip_address": address, "type": kind} for kind, address in addresses.items()],
                "v6": [],
            },
            "region": {"slug": body.get("region") or "nyc1"},
            "tags": body.get("tags") or [],
            "vpc_uuid": body.get("vpc_uuid") or "default-vpc",
            **self._sized(body["size"], disk=True),
        }
        for volume in volumes:
            self._store[f"volumes/{volume}"]["droplet_ids"] = [number]
        self._store[f"droplets/{number}"] = droplet
        return droplet

    def _sized(self, slug: str, *, disk: bool) -> Body:
        size = SIZES[slug]
        found = {"size": {"slug": slug, **size}, "size_slug": slug, "memory": size["memory"], "vcpus": size["vcpus"]}
        return found | ({"disk": size["disk"]} if disk else {})

    def _act(self, droplet: Body, body: Body) -> Body:
        match body["type"]:
            case "power_off" | "shutdown":
                droplet["status"] = "off"
            case "power_on":
                droplet["status"] = "active"
            case "resize":
                droplet.update(self._sized(body["size"], disk=body["disk"]))
            case "rename":
                droplet["name"] = body["name"]
            case "enable_backups":
                droplet["features"].append("backups")
            case "disable_backups":
                droplet["features"].remove("backups")
            case "enable_ipv6":
                droplet["features"].append("ipv6")
                droplet["networks"]["v6"] = [{"ip_address": "2001:DB8::7", "type": "public"}]
        return self._action(body["type"], droplet["id"])

    def _action(self, kind: str, resource: int | None) -> Body:
        action = {
            "id": self._number(),
            "status": "in-progress",
            "type": kind,
            "resource_id": resource,
            "started_at": NOW,
            "completed_at": None,
        }
        self._store[f"actions/{action['id']}"] = action
        return action

    def _actions(self, _method: str, parts: list[str], _body: Body) -> Answer:
        action = self._store[f"actions/{parts[0]}"]
        action.update(status="completed", completed_at=NOW)
        return 200, {"action": action}

    def _volumes(self, method: str, parts: list[str], body: Body) -> Answer:
        if not parts:
            volume = {**body, "id": f"volume-{body['name']}", "droplet_ids": [], "created_at": NOW}
            volume |= {"region": {"slug": body["region"]}, "tags": body.get("tags") or []}
            self._store[f"volumes/{volume['id']}"] = volume
            return 201, {"volume": volume}
        volume = self._store[f"volumes/{parts[0]}"]
        if len(parts) == 1:
            return self._crud(method, f"volumes/{parts[0]}", "volume", body)
        if body["type"] == "resize":
            volume["size_gigabytes"] = body["size_gigabytes"]
        else:
            attach = body["type"] == "attach"
            volume["droplet_ids"] = [body["droplet_id"]] if attach else []
            droplet = self._store[f"droplets/{body['droplet_id']}"]
            others = [id for id in droplet["volume_ids"] if id != volume["id"]]
            droplet["volume_ids"] = [*others, volume["id"]] if attach else others
        return 202, {"action": self._action(f"{body['type']}_volume", None)}

    def _firewalls(self, method: str, parts: list[str], body: Body) -> Answer:
        if body:
            body = {
                **body,
                **{side: [self._rule(rule) for rule in body[side] or []] for side in body if "rules" in side},
            }
            body = {**body, "droplet_ids": body.get("droplet_ids") or [], "tags": body.get("tags") or []}
        if not parts:
            firewall = {**body, "id": f"firewall-{body['name']}", "created_at": NOW, "status": "waiting"}
            firewall["pending_changes"] = [
                {"droplet_id": id, "removing": False, "status": "waiting"} for id in body["droplet_ids"]
            ]
            self._store[f"firewalls/{firewall['id']}"] = firewall
            # An answer of its own: what is applied later must not show in it.
            return 202, {"firewall": dict(firewall)}
        key = f"firewalls/{parts[0]}"
        self._store[key].update(status="succeeded", pending_changes=[])
        return self._crud(method, key, "firewall", body)

    def _rule(self, rule: Body) -> Body:
        ports = rule.get("ports", "")
        return {**rule, "ports": "0" if ports in ("", "all") else ports}
