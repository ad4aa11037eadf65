"""What every kind of record has that lies in one table: it is made, found, shown, listed, changed and deleted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from localcloud.api.call import NO_CONTENT, Call, Handler, Reply
from localcloud.api.errors import NotFound, NotImplementedHere
from localcloud.api.paging import page
from localcloud.records import Record
from localcloud.state import Tables

R = TypeVar("R", bound=Record)


def _unmade(call: Call, _tables: Tables, _old: Any) -> Any:
    raise NotImplementedHere(f"{call.method} {call.path}")


def _ids(record: Any) -> tuple[str, ...]:
    return (str(record.id),)


@dataclass(frozen=True, kw_only=True)
class Collection(Generic[R]):
    """One kind. path: of its list. root, roots: what one and many are called in answers; roots is root and an s unless
    given. noun: what people call one; root unless given.

    make: the record a body asks for, in place of one there is or as a new one; raises ApiError. names: what a record
    is found by, its key in the table first. among: which records are meant, where a path names an owner; raises
    NotFound. filters: what can be asked for in a list's query, with the values a record has for it.
    let_go: before one is deleted; raises ApiError where it must stay. changed: after one was made, changed or deleted.
    """

    path: str
    table: Callable[[Tables], dict[str, R]]
    root: str
    roots: str = ""
    noun: str = ""
    show: Callable[[Call, R], dict[str, Any]] = lambda _, record: record.model_dump(mode="json")
    make: Callable[[Call, Tables, R | None], R] = _unmade
    created: int = 201
    deleted: Reply = NO_CONTENT
    param: str = "id"
    names: Callable[[R], tuple[str, ...]] = _ids
    among: Callable[[Call, Tables], Callable[[R], bool]] = lambda _call, _tables: lambda _record: True
    filters: Mapping[str, Callable[[R], Iterable[str]]] = field(default_factory=dict)
    let_go: Callable[[Call, Tables, R], None] = lambda _call, _tables, _record: None
    changed: Callable[[Call], None] = lambda _call: None

    def __post_init__(self) -> None:
        object.__setattr__(self, "roots", self.roots or f"{self.root}s")
        object.__setattr__(self, "noun", self.noun or self.root)

    def find(self, tables: Tables, id: str) -> R:
        """Raises NotFound, also for a record whose deletion is under way."""
        for record in self.table(tables).values():
            if id in self.names(record) and not getattr(record, "deleting", False):
                return record
        raise NotFound(f"The resource you were accessing could not be found. There is no {self.noun} with the id {id}.")

    def here(self, call: Call, tables: Tables) -> R:
        """The one the path names. Raises NotFound."""
        record = self.find(tables, call.param(self.param))
        if not self.among(call, tables)(record):
            raise NotFound(f"There is no such {self.noun} in {call.path}.")
        return record

    def put(self, tables: Tables, record: R) -> R:
        self.table(tables)[self.names(record)[0]] = record
        return record

    def reply(self, call: Call, record: R, status: int = 200) -> Reply:
        return Reply(status=status, body={self.root: self.show(call, record)})

    def routes(self, create: Handler | None = None, **of_one: Handler) -> dict[str, Mapping[str, Handler]]:
        """The calls on all and on one. create, of_one: in place of these, or besides them."""
        usual = {"GET": self._get, "PUT": self.update, "DELETE": self._delete}
        return {
            self.path: {"GET": self.list, "POST": create or self.create},
            f"{self.path}/{{{self.param}}}": usual | of_one,
        }

    def create(self, call: Call) -> Reply:
        return self._made(call, None, self.created)

    def update(self, call: Call) -> Reply:
        return self._made(call, self.here, 200)

    def _made(self, call: Call, old: Callable[[Call, Tables], R] | None, status: int) -> Reply:
        with call.cloud.state.transaction() as tables:
            record = self.put(tables, self.make(call, tables, old and old(call, tables)))
        self.changed(call)
        return self.reply(call, record, status)

    def list(self, call: Call, order: Callable[[R], str] | None = None, *, reverse: bool = False) -> Reply:
        """The page the query asks for, oldest first unless `order` says otherwise."""
        tables = call.cloud.state.read()
        among = self.among(call, tables)
        asked = [(values, call.query[name]) for name, values in self.filters.items() if call.query.get(name)]
        found = [
            record
            for record in self.table(tables).values()
            if among(record)
            and not getattr(record, "deleting", False)
            and all(wanted in values(record) for values, wanted in asked)
        ]
        if order is not None:
            found.sort(key=order, reverse=reverse)
        return page(call, self.roots, [self.show(call, record) for record in found])

    def _get(self, call: Call) -> Reply:
        return self.reply(call, self.here(call, call.cloud.state.read()))

    def _delete(self, call: Call) -> Reply:
        with call.cloud.state.transaction() as tables:
            record = self.here(call, tables)
            self.let_go(call, tables, record)
            del self.table(tables)[self.names(record)[0]]
        self.changed(call)
        return self.deleted
