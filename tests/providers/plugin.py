"""Drives a provider plugin, ours or an official one, over its own protocol without the engine."""

import random
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET_KEY = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


def secret(value: Any) -> dict[str, Any]:
    """A secret value as it looks on the wire."""
    return {SECRET_KEY: SECRET, "value": value}


def struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    """A protobuf Struct of a mapping."""
    return json_format.ParseDict(dict(value), struct_pb2.Struct())


def plain(value: struct_pb2.Struct) -> dict[str, Any]:
    """A mapping of a protobuf Struct, as the engine reads it: whole numbers are int, nulls are left out."""

    def absent(item: Any) -> bool:
        return item is None or (isinstance(item, dict) and SECRET_KEY in item and item.get("value") is None)

    def whole(item: Any) -> Any:
        if isinstance(item, float) and item.is_integer():
            return int(item)
        if isinstance(item, dict):
            return {key: whole(inner) for key, inner in item.items() if not absent(inner)}
        if isinstance(item, list):
            return [whole(inner) for inner in item]
        return item

    result: dict[str, Any] = whole(json_format.MessageToDict(value))
    return result


@dataclass(frozen=True)
class Resource:
    """A resource as the engine would keep it."""

    urn: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


class Plugin:
    """A running plugin. Use as a context manager.

    command: what starts it, without the engine's address.
    environment: the whole environment of the process.
    config: provider configuration, for example {"token": "t"}.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], config: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [*command, "127.0.0.1:9"], stdout=subprocess.PIPE, stderr=None, env=dict(environment)
        )
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.config = dict(config)
        self.random = random.Random(7)  # noqa: S311

    def __enter__(self) -> "Plugin":
        args = struct({**self.config, "version": "4.84.1"})
        self.stub.CheckConfig(
            provider_pb2.CheckRequest(urn="urn:pulumi:s::p::pulumi:providers:digitalocean::default", news=args)
        )
        self.configured = self.stub.Configure(
            provider_pb2.ConfigureRequest(
                args=args,
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def urn(self, token: str, name: str) -> str:
        """The URN of a resource of the test stack."""
        return f"urn:pulumi:stack::project::{token}::{name}"

    def check(
        self, urn: str, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The checked inputs, and the failures as (property, reason)."""
        answer = self.stub.Check(
            provider_pb2.CheckRequest(
                urn=urn,
                olds=struct(olds or {}),
                news=struct(news),
                randomSeed=self.random.randbytes(32),
            )
        )
        return plain(answer.inputs), [(failure.property, failure.reason) for failure in answer.failures]

    def create(self, urn: str, inputs: Mapping[str, Any], preview: bool = False) -> Resource:
        """Creates, or previews creating, from checked inputs."""
        answer = self.stub.Create(
            provider_pb2.CreateRequest(urn=urn, properties=struct(inputs), preview=preview, timeout=0)
        )
        return Resource(urn, answer.id, dict(inputs), plain(answer.properties))

    def diff(
        self, resource: Resource, news: Mapping[str, Any], ignore: Sequence[str] = ()
    ) -> provider_pb2.DiffResponse:
        """The protocol's answer to: what would these checked inputs change?"""
        answer: provider_pb2.DiffResponse = self.stub.Diff(
            provider_pb2.DiffRequest(
                id=resource.id,
                urn=resource.urn,
                olds=struct(resource.outputs),
                old_inputs=struct(resource.inputs),
                news=struct(news),
                ignoreChanges=list(ignore),
            )
        )
        return answer

    def update(self, resource: Resource, news: Mapping[str, Any], preview: bool = False) -> Resource:
        """Updates, or previews updating, to checked inputs."""
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                id=resource.id,
                urn=resource.urn,
                olds=struct(resource.outputs),
                old_inputs=struct(resource.inputs),
                news=struct(news),
                preview=preview,
                timeout=0,
            )
        )
        return Resource(resource.urn, resource.id, dict(news), plain(answer.properties))

    def read(self, resource: Resource) -> Resource:
        """Refreshes, or, with empty outputs and inputs, imports. An empty id says it is gone."""
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                id=resource.id,
                urn=resource.urn,
                properties=struct(resource.outputs),
                inputs=struct(resource.inputs),
            )
        )
        return Resource(resource.urn, answer.id, plain(answer.inputs), plain(answer.properties))

    def delete(self, resource: Resource) -> None:
        """Deletes."""
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=resource.id,
                urn=resource.urn,
                properties=struct(resource.outputs),
                old_inputs=struct(resource.inputs),
                timeout=0,
            )
        )

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Calls a function of the provider."""
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=struct(arguments)))
        return plain(getattr(answer, "return"))
