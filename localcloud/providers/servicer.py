"""Pulumi's provider protocol for a table of resource types.

The servicer below the SDK's experimental `Provider` class is used because that class hides what is needed here: old
inputs, the engine's wishes for automatic names, and the error by which a half-made resource is kept in the state.
"""

# gRPC decides the parameters of a servicer's methods, used or not.
# ruff: noqa: ARG002

import threading
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from localcloud.providers import operations
from localcloud.providers.checking import DEFAULTS, Autonaming, check
from localcloud.providers.context import CancelledError, Context
from localcloud.providers.http import ApiError, HttpClient
from localcloud.providers.operations import GoneError, IncompleteError
from localcloud.providers.planning import Plan, plan, top
from localcloud.providers.schema import Function, Mode, ResourceType, State, each, text
from localcloud.providers.values import from_struct, has_unknown, to_struct

_Status = namedtuple("_Status", ["code", "details", "trailing_metadata"])


class StatusError(_Status, grpc.Status):
    """A gRPC status that carries a message of its own as detail."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A provider: its name, version, resource types and functions.

    connect: makes the API's client from the configuration, or raises ValueError with what is wrong with it. A
    provider without an API has none.
    """

    name: str
    version: str
    resources: tuple[ResourceType, ...]
    functions: tuple[Function, ...] = ()
    connect: Callable[[Mapping[str, str], Callable[[], bool]], HttpClient] | None = None
    by_token: Mapping[str, ResourceType] = field(init=False)
    functions_by_token: Mapping[str, Function] = field(init=False)

    @property
    def marked_version(self) -> str:
        """The version that nobody takes for the official plugin's."""
        return f"{self.version}+bundled"

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_token", {item.token: item for item in self.resources})
        object.__setattr__(self, "functions_by_token", {item.token: item for item in self.functions})


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves a package."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._cancelled = threading.Event()
        self._config: dict[str, str] = {}
        self._context: Context | None = None
        self._lock = threading.Lock()

    def cancel(self) -> None:
        """Ends every wait; what is waited for goes on without us."""
        self._cancelled.set()

    # -- the provider itself

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self._package.marked_version)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        name, version = self._package.name, self._package.version
        return provider_pb2.GetSchemaResponse(schema=f'{{"name": "{name}", "version": "{version}"}}')

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._config = {key: str(value) for key, value in from_struct(request.args).items() if not has_unknown(value)}
        # Secrets are taken off and put back by the engine, which marks every output whose input was one.
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.cancel()
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        function = self._package.functions_by_token.get(request.tok)
        if function is None:
            self._unsupported(context, "function", request.tok, self._package.functions_by_token)
        arguments = from_struct(request.args)
        missing = [name for name in function.required if name not in arguments]
        if missing:
            failures = [provider_pb2.CheckFailure(property=name, reason=f"{name} is required") for name in missing]
            return provider_pb2.InvokeResponse(failures=failures)
        try:
            result = function.call(self._api(), arguments)
        except (ApiError, ValueError, LookupError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"{request.tok.split(':')[-1]}: {_text(error)}")
        return _returned(to_struct(result, each(text, " ".join(function.secrets), Mode.COMPUTED, secret=True)))

    # -- resources

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource = self._type(request.urn, context)
        wishes = None
        if request.HasField("autonaming"):
            mode = provider_pb2.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode).lower()
            wishes = Autonaming(mode, request.autonaming.proposed_name)
        inputs, failures = check(
            resource,
            _name(request.urn),
            from_struct(request.news),
            from_struct(request.olds),
            request.randomSeed,
            wishes,
        )
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs, resource.properties),
            failures=[provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in failures],
        )

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource = self._type(request.urn, context)
        news = from_struct(request.news)
        planned = self._plan(resource, request)
        changed = sorted({top(path) for path in planned.changes})
        replaces = planned.replaces
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaces,
            stables=sorted(item.name for item in resource.properties if item.replace and item.name not in replaces),
            deleteBeforeReplace=bool(replaces) and _named_by_hand(resource, news),
            detailedDiff={
                path: provider_pb2.PropertyDiff(kind=change.protocol_kind)  # type: ignore[arg-type]
                for path, change in planned.changes.items()
            },
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource = self._type(request.urn, context)
        planned = plan(resource, "", {}, from_struct(request.properties))
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(planned.state, resource.properties))
        doing = f"creating {resource.noun} {_name(request.urn)}"
        try:
            state = operations.create(self._api(), planned)
        except IncompleteError as error:
            self._keep(context, f"{doing}: {error}", error.id, error.state, resource, request.properties)
        except Exception as error:
            self._fail(context, doing, error)
        return provider_pb2.CreateResponse(id=state["id"], properties=to_struct(state, resource.properties))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource = self._type(request.urn, context)
        state = from_struct(request.properties)
        inputs = from_struct(request.inputs)
        doing = f"reading {resource.noun} {_name(request.urn)}"
        importing = not state
        try:
            if importing:
                state = resource.adopt(request.id) if resource.adopt is not None else {"id": request.id}
            found = operations.read(self._api(), resource, {"id": request.id, **_own(resource, state)})
        except GoneError:
            return provider_pb2.ReadResponse()
        except Exception as error:
            self._fail(context, doing, error)
        fresh = (
            operations.imported_inputs(resource, found)
            if importing and not inputs
            else operations.refreshed_inputs(resource, inputs, found)
        )
        return provider_pb2.ReadResponse(
            id=found["id"],
            properties=to_struct(found, resource.properties),
            inputs=to_struct(fresh, resource.properties),
        )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource = self._type(request.urn, context)
        planned = self._plan(resource, request)
        doing = f"updating {resource.noun} {_name(request.urn)}"
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(planned.state, resource.properties))
        try:
            state = operations.update(self._api(), planned)
        except GoneError:
            context.abort(
                grpc.StatusCode.UNKNOWN, f"{doing}: it does not exist any more; run `pulumi refresh` and try again"
            )
        except (TimeoutError, CancelledError) as error:
            self._keep(
                context, f"{doing}: {error}", request.id, operations.known(planned.prior), resource, request.news
            )
        except Exception as error:
            self._fail(context, doing, error)
        return provider_pb2.UpdateResponse(properties=to_struct(state, resource.properties))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource = self._type(request.urn, context)
        state = {"id": request.id, **_own(resource, from_struct(request.properties))}
        try:
            operations.delete(self._api(), resource, state)
        except Exception as error:
            self._fail(context, f"deleting {resource.noun} {_name(request.urn)}", error)
        return empty_pb2.Empty()

    # -- what the others are made of

    def _plan(self, resource: ResourceType, request: Any) -> Plan:
        prior = _own(resource, from_struct(request.olds))
        news = from_struct(request.news)
        old_inputs = from_struct(request.old_inputs)
        for name in {top(path) for path in request.ignoreChanges}:
            kept = old_inputs.get(name, prior.get(name))
            news = {**news, name: kept} if kept is not None else {k: v for k, v in news.items() if k != name}
        return plan(resource, request.id, prior, news)

    def _api(self) -> Context:
        """The API of the configuration. Raises ValueError where the configuration does not do."""
        with self._lock:
            if self._context is None:
                connect = self._package.connect or _no_api
                api = connect(self._config, self._cancelled.is_set)
                self._context = Context(api, self._cancelled, self._config)
            return self._context

    def _type(self, urn: str, context: grpc.ServicerContext) -> ResourceType:
        token = urn.split("::")[2].rpartition("$")[2]
        resource = self._package.by_token.get(token)
        if resource is None:
            self._unsupported(context, "resource type", token, self._package.by_token)
        return resource

    def _unsupported(self, context: grpc.ServicerContext, what: str, token: str, known: Iterable[str]) -> NoReturn:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"the bundled {self._package.name} plugin has no {what} {token}; it has {', '.join(sorted(known))}. "
            "The official plugin has every one: where it is installed, it is used.",
        )

    def _fail(self, context: grpc.ServicerContext, doing: str, error: Exception) -> NoReturn:
        context.abort(grpc.StatusCode.UNKNOWN, f"{doing}: {_text(error)}")

    def _keep(
        self,
        context: grpc.ServicerContext,
        message: str,
        identity: str,
        state: State,
        resource: ResourceType,
        inputs: Any,
    ) -> NoReturn:
        """Fails in the way that makes the engine keep the resource in the state, marked as not complete."""
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=identity, properties=to_struct(state, resource.properties), reasons=[message], inputs=inputs
            )
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail])
        metadata = (("grpc-status-details-bin", status.SerializeToString()),)
        context.abort_with_status(StatusError(grpc.StatusCode.UNKNOWN, message, metadata))


def _returned(result: Any) -> Any:
    """`return` is no name that Python takes, so the field is reached as an attribute."""
    response = provider_pb2.InvokeResponse()
    getattr(response, "return").CopyFrom(result)
    return response


def _no_api(_config: Mapping[str, str], _stopped: Callable[[], bool]) -> HttpClient:
    return HttpClient("http://127.0.0.1", "", "", describe=lambda _body: ("", ""))


def _own(resource: ResourceType, state: Mapping[str, Any]) -> State:
    """The state without what another plugin keeps for itself."""
    return {name: value for name, value in state.items() if name == "id" or name in resource.by_name}


def _named_by_hand(resource: ResourceType, inputs: Mapping[str, Any]) -> bool:
    """A name given by the program is taken until the old resource is gone; an automatic one never clashes."""
    defaulted = inputs.get(DEFAULTS) or []
    return any(item.autonamed and item.name in inputs and item.name not in defaulted for item in resource.properties)


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
