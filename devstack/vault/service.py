"""A vault without its socket: a request and the time go in, an answer comes out.

1. Who asks is told by a token of the stack's directory, for Key Vault. Without one there is a
   challenge that tells the client where to get one.
2. The call is one that there is, of a version of the interface that there is.
3. A role lets the caller do it, to this key or secret.
4. What it is about is there, or the name is free.
5. It is carried out.

Every try to release a key that gets past 2 is in the log, however it ends.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial

from cleanroom.attestation.token import Authority
from cleanroom.errors import Malformed, Tampered
from devstack.vault import access, control, crypto, keys, objects, secret
from devstack.vault.audit import Entry
from devstack.vault.calls import CRYPTOGRAPHIC, KEYS, SECRETS, Call, route
from devstack.vault.objects import Collection
from devstack.vault.releasing import Decided, Wanted, refused, release
from devstack.vault.store import Row
from devstack.vault.vault import Order, Vault
from devstack.vault.wire import Answer, Request, bad_parameter, body_of

type _OfNothing = Callable[[Order], Answer]
type _OfRow = Callable[[Order, Row], Answer]

_COLLECTIONS: Mapping[str, Collection] = {KEYS: keys.KEYS, SECRETS: secret.SECRETS}
_LISTS: Mapping[str, Callable[[Collection, Order], Answer]] = {
    "list": objects.list_live,
    "list deleted": objects.list_deleted,
    "list versions": objects.list_versions,
}
_NEW: Mapping[str, _OfNothing] = {
    "create": keys.create,
    "import": keys.import_,
    "set": secret.set_,
}
_OF_DELETED: Mapping[str, Callable[[Collection, Order, Row], Answer]] = {
    "get deleted": objects.show_deleted,
    "recover": objects.recover,
    "purge": objects.purge,
}
_OF_LIVE: Mapping[tuple[str, str], _OfRow] = {
    (KEYS, "get"): keys.get,
    (KEYS, "update"): keys.update,
    (KEYS, "rotate"): keys.rotate,
    (KEYS, "delete"): partial(objects.delete, keys.KEYS),
    (SECRETS, "get"): secret.get,
    (SECRETS, "update"): secret.update,
    (SECRETS, "delete"): partial(objects.delete, secret.SECRETS),
    **{(KEYS, operation): crypto.operate for operation in CRYPTOGRAPHIC},
}
_CHANGES = ("update", "delete", "recover", "purge")  # they read, and then write


def answer(
    vault: Vault, request: Request, now: datetime, known: Mapping[Wanted, Authority]
) -> Answer | Wanted:
    """Answer, or say which key of an authority is wanted first, and `known` has not."""
    caller = access.caller_of(vault, request, now)  # 1
    if isinstance(caller, Answer):
        return caller
    try:
        if request.target.startswith(control.PREFIX):
            return control.answer(vault, request, caller.name)
        call = route(request.method, request.target)  # 2
        if isinstance(call, Answer):
            return call
        if call.operation == "release":
            tried = Entry(request.id, now, caller, call.name, call.version)
            try:
                return _logged(vault, _released(vault, call, request, tried, known))
            except Tampered as error:  # what is kept is not what was stored there
                vault.audit.add(replace(tried, reason=str(error)))
                raise
        return access.forbidden_to(vault, call, caller) or _carried_out(  # 3
            Order(vault, call, body_of(request.body), now)
        )
    except Malformed as wrong:
        return bad_parameter(str(wrong))


def _logged(vault: Vault, decided: Decided | Wanted) -> Answer | Wanted:
    if isinstance(decided, Wanted):
        return decided
    vault.audit.add(decided.entry)  # before the answer leaves
    return decided.answer


def _released(
    vault: Vault, call: Call, request: Request, tried: Entry, known: Mapping[Wanted, Authority]
) -> Decided | Wanted:
    not_allowed = access.forbidden_to(vault, call, tried.caller)  # 3
    if not_allowed:
        return refused(tried, not_allowed, "no role allows it")
    row = _row(vault, call)  # 4
    if row is None:
        return refused(tried, keys.KEYS.not_found(call), "no such key")
    try:
        order = Order(vault, call, body_of(request.body), tried.at)
    except Malformed as wrong:
        return refused(tried, bad_parameter(str(wrong)), str(wrong))
    return release(order, row, tried, known)  # 5


def _carried_out(order: Order) -> Answer:
    vault, call = order.vault, order.call
    collection = _COLLECTIONS[call.collection]
    if call.operation not in CRYPTOGRAPHIC:
        vault.store.purge_due(order.now)
    if call.operation in _LISTS:
        return _LISTS[call.operation](collection, order)
    if call.operation in _NEW:
        taken = vault.store.latest(call.collection, call.name, deleted=True)  # 4
        return collection.is_deleted(call) if taken else _NEW[call.operation](order)
    with vault.store.lock if call.operation in _CHANGES else nullcontext():
        return _done(collection, order)


def _done(collection: Collection, order: Order) -> Answer:
    call, row = order.call, _row(order.vault, order.call)
    if call.operation in _OF_DELETED:
        if row is None:
            return collection.not_found_deleted(call)
        return _OF_DELETED[call.operation](collection, order, row)
    if row is None:
        return collection.not_found(call)
    return _OF_LIVE[call.collection, call.operation](order, row)


def _row(vault: Vault, call: Call) -> Row | None:
    if call.version is not None:
        return vault.store.version(call.collection, call.name, call.version)
    deleted = call.operation in _OF_DELETED
    return vault.store.latest(call.collection, call.name, deleted=deleted)
