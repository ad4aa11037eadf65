"""One setting of a cluster, changed where it stands: the provider behind `PoolSize` and `Configuration`."""

from typing import TYPE_CHECKING, Any

from trellis.providers.base import Provider

if TYPE_CHECKING:
    from collections.abc import Collection

    from pulumi.dynamic import ConfigureRequest, CreateResult, ReadResult, UpdateResult


class SettingProvider(Provider):
    """Keeps what DigitalOcean's plugin cannot change in place as it is asked for. A delete leaves it as it is.

    item: the path of what has the setting. root: where it stands in an answer. wanted: field -> value.
    method: of the change. body: what a change says besides and is set with it, all below the path `at`, empty for the
    top. A value that is empty is left out of a change, and means that there is none.
    """

    version = "1"
    compared = ("item", "wanted", "body")

    def configure(self, req: "ConfigureRequest") -> None:
        # In the process that serves the providers: nothing of it is stored.
        self._config = req.config

    def create(self, props: dict[str, Any]) -> "CreateResult":
        from pulumi.dynamic import CreateResult

        return CreateResult(props["item"], self._set(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> "UpdateResult":
        from pulumi.dynamic import UpdateResult

        return UpdateResult(self._set(_news))

    def read(self, id_: str, props: dict[str, Any]) -> "ReadResult":
        from pulumi.dynamic import ReadResult

        found = self._call("GET", props["item"])
        there = found.get(props["root"], {}) if found else {}
        # What is gone has another value than any that is wanted.
        seen = {kind: {name: _text(there.get(name)) for name in props[kind]} for kind in ("wanted", "body")}
        return ReadResult(id_, {**props, **seen})

    def _set(self, props: dict[str, Any]) -> dict[str, Any]:
        found = self._call("GET", props["item"])
        if found is None:
            raise RuntimeError(f"{props['item']} is not there any more. `pulumi refresh` notices what is gone.")
        there = found[props["root"]]
        asked = {**props["body"], **props["wanted"]}
        if any(_text(there.get(name)) != value for name, value in asked.items()):
            sent = {name: value for name, value in asked.items() if value != ""}
            self._call(props["method"], props["item"], {props["at"]: sent} if props["at"] else sent)
            self._taken_out(props, asked.keys() - sent.keys())
        # `of` names what has the setting to the policies, which see outputs once there are some.
        return {**self.facts(props), **{name: props[name] for name in ("root", "of") if name in props}}

    def _taken_out(self, props: dict[str, Any], names: "Collection[str]") -> None:
        # That what a change leaves out is taken away is documented; whoever relies on it has to know that it was.
        there = (self._call("GET", props["item"]) or {}).get(props["root"], {}) if names else {}
        if kept := [f"{name} {there[name]}" for name in names if there.get(name)]:
            raise RuntimeError(f"{props['item']} still has {', '.join(kept)}, which was to be taken away.")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The answer's object, None where there is nothing of this path. Every call may be sent twice."""
        import json
        import os

        import urllib3

        config, environment = self._config, os.environ
        base = config.get("digitalocean:apiEndpoint") or environment.get("DIGITALOCEAN_API_URL")
        token = config.get("digitalocean:token") or next(
            filter(None, map(environment.get, ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"))), None
        )
        if not token:
            raise RuntimeError("DIGITALOCEAN_TOKEN is not set.")
        retries = urllib3.Retry(
            total=6,
            allowed_methods=None,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            backoff_factor=0.5,
            retry_after_max=120,
        )
        # The engine hands numbers over as they are in JSON, all of them with a fraction.
        whole = {key: _whole(value) for key, value in (body or {}).items()}
        try:
            answer = urllib3.request(
                method,
                (base or "https://api.digitalocean.com").rstrip("/") + path,
                headers={"Authorization": f"Bearer {token}"},
                json=whole if body is not None else None,
                retries=retries,
                timeout=60,
            )
        except urllib3.exceptions.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error}") from None
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise RuntimeError(
                f"{method} {path} answered {answer.status}: {answer.data.decode(errors='replace')[:300]}"
            )
        return dict(json.loads(answer.data)) if answer.data else {}


def _text(value: Any) -> Any:
    return "" if value is None else value


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
