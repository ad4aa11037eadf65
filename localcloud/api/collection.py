"""What every kind of record has that lies in one table: it is found by its id, shown, listed and deleted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from localcloud.api.call import NO_CONTENT, Call, Handler, Reply, Routes
from localcloud.api.errors import NotFound
from localcloud.api.paging import page
from localcloud.records import Record
from localcloud.state import Tables

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Collection(Generic[R]):
    """One kind. path: of its list. root, roots: what one and many are called in answers. noun: the same for people."""

    path: str
    table: Callable[[Tables], dict[str, R]]
    root: str
    roots: str
    noun: str
    show: Callable[[R], dict[str, Any]]

    def find(self, tables: Tables, id: str) -> R:
        """Raises NotFound."""
        try:
            return self.table(tables)[id]
        except KeyError:
            raise NotFound(f"There is no {self.noun} with the id {id}.") from None

    def reply(self, record: R, status: int = 200) -> Reply:
        return Reply(status=status, body={self.root: self.show(record)})

    def routes(self, create: Handler, **of_one: Handler) -> Routes:
        """The calls on all and on one. of_one: those besides GET and DELETE, or in their place."""
        return {
            self.path: {"GET": self._list, "POST": create},
            f"{self.path}/{{id}}": {"GET": self._get, "DELETE": self._delete, **of_one},
        }

    def _list(self, call: Call) -> Reply:
        return page(call, self.roots, [self.show(item) for item in self.table(call.cloud.state.read()).values()])

    def _get(self, call: Call) -> Reply:
        return self.reply(self.find(call.cloud.state.read(), call.param("id")))

    def _delete(self, call: Call) -> Reply:
        with call.cloud.state.transaction() as tables:
            self.find(tables, call.param("id"))
            del self.table(tables)[call.param("id")]
        return NO_CONTENT
