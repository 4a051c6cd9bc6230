"""What keys and secrets have alike: lists in pages, soft deletion, recovery, purging."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import quote

from cleanroom.errors import Malformed
from devstack.vault.attributes import RECOVERABLE_DAYS, SECONDS_A_DAY
from devstack.vault.calls import Call
from devstack.vault.store import Row
from devstack.vault.vault import Order
from devstack.vault.wire import Answer, Json, good, refusal

_LARGEST_PAGE = 25
_DIGITS = 18

type Shown = Callable[[str, Row], dict[str, object]]
"""Spell a row; the first argument is how it is named."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Keys or secrets: how to name one, to show one whole, and to show one in a list."""

    noun: str
    whole: Shown
    item: Shown

    def not_found(self, call: Call) -> Answer:
        """Say that there is nothing of this name, as the service says it."""
        name = "/".join(filter(None, (call.name, call.version)))
        noun = self.noun.lower()
        return refusal(
            HTTPStatus.NOT_FOUND,
            f"{self.noun}NotFound",
            f"A {noun} with (name/id) {name} was not found in this key vault. If you recently"
            f" deleted this {noun} you may be able to recover it using the correct recovery"
            " command. For help resolving this issue, please see"
            " https://go.microsoft.com/fwlink/?linkid=2125182",
        )

    def not_found_deleted(self, call: Call) -> Answer:
        """Say that nothing of this name is deleted."""
        message = f"Deleted {self.noun} not found: {call.name}"
        return refusal(HTTPStatus.NOT_FOUND, f"{self.noun}NotFound", message)

    def is_deleted(self, call: Call) -> Answer:
        """Say that the name is taken by something deleted."""
        return refusal(
            HTTPStatus.CONFLICT,
            "Conflict",
            f"{self.noun} {call.name} is currently in a deleted but recoverable state, and its name"
            f" cannot be reused; in this state, the {self.noun.lower()} can only be recovered or"
            " purged.",
            "ObjectIsDeletedButRecoverable",
        )


def list_live(collection: Collection, order: Order) -> Answer:
    """List everything that is not deleted, a page at a time."""
    rows, after = _names(order, deleted=False)
    items = [collection.item(order.url(row, versioned=False), row) for row in rows]
    return _page(order, order.call.collection, items, after)


def list_deleted(collection: Collection, order: Order) -> Answer:
    """List everything that is deleted, a page at a time."""
    rows, after = _names(order, deleted=True)
    items = [
        collection.item(order.url(row, versioned=False), row) | _deletion(order, row)
        for row in rows
    ]
    return _page(order, f"deleted{order.call.collection}", items, after)


def list_versions(collection: Collection, order: Order) -> Answer:
    """List the versions of one thing, a page at a time; there are none of what is not there."""
    call, most, after = order.call, _page_size(order.call), _after(order.call)
    if after and not (after.isascii() and after.isdigit() and len(after) <= _DIGITS):
        raise Malformed("$skiptoken", "what a nextLink said")
    store = order.vault.store
    there = store.latest(call.collection, call.name, deleted=False)
    rows = store.versions(call.collection, call.name, int(after or 0), most + 1) if there else []
    items = [collection.item(order.url(row), row) for row in rows[:most]]
    more = str(rows[most - 1].number) if len(rows) > most else None
    return _page(order, f"{call.collection}/{call.name}/versions", items, more)


def delete(collection: Collection, order: Order, row: Row) -> Answer:
    """Delete all versions, to be recovered or purged."""
    purge_at = order.now + RECOVERABLE_DAYS * SECONDS_A_DAY
    order.vault.store.delete(order.call.collection, row.name, order.now, purge_at)
    gone = replace(row, deleted_at=order.now, purged_at=purge_at)
    return show_deleted(collection, order, gone)


def show_deleted(collection: Collection, order: Order, row: Row) -> Answer:
    """Show something deleted, and until when it can be recovered."""
    return good(collection.whole(order.url(row), row) | _deletion(order, row))


def recover(collection: Collection, order: Order, row: Row) -> Answer:
    """Undo a deletion."""
    order.vault.store.recover(order.call.collection, row.name)
    return good(collection.whole(order.url(row), row))


def purge(_: Collection, order: Order, row: Row) -> Answer:
    """Forget something deleted."""
    order.vault.store.purge(order.call.collection, row.name)
    return Answer(HTTPStatus.NO_CONTENT, None)


def _names(order: Order, *, deleted: bool) -> tuple[list[Row], str | None]:
    most, store = _page_size(order.call), order.vault.store
    rows = store.names(order.call.collection, _after(order.call), most + 1, deleted=deleted)
    return rows[:most], rows[most - 1].name if len(rows) > most else None


def _deletion(order: Order, row: Row) -> dict[str, object]:
    return {
        "recoveryId": f"{order.vault.url}/deleted{order.call.collection}/{row.name}",
        "deletedDate": row.deleted_at,
        "scheduledPurgeDate": row.purged_at,
    }


def _page_size(call: Call) -> int:
    asked = call.query.get("maxresults", str(_LARGEST_PAGE))
    if asked not in map(str, range(1, _LARGEST_PAGE + 1)):
        raise Malformed("maxresults", f"1 to {_LARGEST_PAGE}")
    return int(asked)


def _after(call: Call) -> str:
    return call.query.get("$skiptoken", "")


def _page(order: Order, path: str, items: Sequence[Json], after: str | None) -> Answer:
    if after is None:
        return good({"value": items, "nextLink": None})
    call = order.call
    query = f"api-version={call.query['api-version']}&$skiptoken={quote(after)}"
    more = f"{order.vault.url}/{path}?{query}&maxresults={_page_size(call)}"
    return good({"value": items, "nextLink": more})
