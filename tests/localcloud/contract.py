"""DigitalOcean's OpenAPI document: every answer of the local cloud is held against it."""

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT = "digitalocean-openapi.json"


class Contract:
    """Checks answers against the document."""

    def __init__(self, path: Path) -> None:
        self._document = _to_json_schema(json.loads(path.read_text("utf-8")))
        self._paths = [(_pattern(template), template) for template in self._document["paths"]]
        # Fixed paths before parameters: /v2/databases/options is not a cluster called "options".
        self._paths.sort(key=lambda item: item[1].count("{"))
        self._validators: dict[tuple[str, ...], Draft202012Validator] = {}

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """Raises AssertionError when the document does not allow this answer."""
        template = next((name for pattern, name in self._paths if pattern.match(path)), None)
        if template is None or status == 501:
            return
        operation = self._document["paths"][template].get(method.lower())
        assert operation is not None, f"{method} {path} is not in the OpenAPI document, and was not answered with 501"
        response = self._response(operation, template, method, status)
        content = response.get("content", {}).get("application/json")
        if content is None:
            assert body is None, f"{method} {path} answered {status} with a body; the document has none"
            return
        problems = sorted(self._validator(content["schema"]).iter_errors(body), key=lambda item: list(item.path))
        shown = "\n".join(f"  {'.'.join(map(str, item.absolute_path))}: {item.message[:300]}" for item in problems)
        assert not problems, f"{method} {path} answered {status} and breaks the OpenAPI document:\n{shown}"

    def _response(self, operation: dict[str, Any], template: str, method: str, status: int) -> dict[str, Any]:
        responses = operation["responses"]
        assert str(status) in responses or status >= 400, f"{method} {template} never answers {status}"
        response: dict[str, Any] = responses.get(str(status), responses.get("default"))
        return self._resolve(response)

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        key = (json.dumps(schema, sort_keys=True),)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator({"components": self._document["components"], **schema})
        return self._validators[key]


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("^" + re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)) + "$")


def _to_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema says it."""
    if isinstance(node, list):
        return [_to_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _to_json_schema(value) for key, value in node.items()}
    if changed.pop("nullable", False) is True and "type" in changed:
        changed["type"] = [changed["type"], "null"]
        if "enum" in changed:
            changed["enum"] = [*changed["enum"], None]
    return changed
