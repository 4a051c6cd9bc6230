"""Rules by $management: added, removed and listed by a client of the subscription itself.

The descriptors are those of the service; a filter has one by its kind.
"""

from collections.abc import Callable, Mapping

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus import refusals
from devstack.bus.arguments import Answer, Arguments, Caller, Result, expect
from devstack.bus.entities import Rule, rule_name
from devstack.bus.filters import (
    CorrelationFilter,
    FalseFilter,
    Filter,
    SqlFilter,
    TrueFilter,
    Value,
)
from devstack.bus.refusals import Refusal
from devstack.bus.sql import Action
from devstack.bus.topic import Subscription, Topic

_MOST_RULES = 2000  # of a subscription, as the service has it
_COMPATIBILITY = e.int32(20)
_DESCRIPTION = 0x13700000004
_NO_ACTION, _SQL_ACTION = 0x13700000005, 0x13700000006
_SQL, _TRUE, _FALSE, _CORRELATION = range(0x1370000006, 0x137000000A)
_ASKED = (
    *("correlation-id", "message-id", "to", "reply-to", "label", "session-id"),
    *("reply-to-session-id", "content-type"),
)
"""The fields of a correlation filter, in their order."""
_NOTHING = Answer(204, "No content")


def add_rule(caller: Caller, arguments: Arguments) -> Result:
    """Add a rule that is not there yet."""
    topic, one = _subscription(caller)
    name = rule_name(arguments.text("rule-name"), "rule-name")
    description = expect(dict, arguments.values.get("rule-description"))
    rule = Rule(name, _filter(description), _action(description))
    if name.lower() in one.rules:
        return refusals.taken(name)
    if len(one.rules) >= _MOST_RULES:
        return refusals.full(one.queue.path)
    one.rules[name.lower()] = rule
    caller.namespace.define_subscription(topic, one)
    return Answer()


def remove_rule(caller: Caller, arguments: Arguments) -> Result:
    """Remove a rule."""
    topic, one = _subscription(caller)
    name = arguments.text("rule-name")
    if one.rules.pop(name.lower(), None) is None:
        return refusals.not_found(f"{one.queue.path}/Rules/{name}")
    caller.namespace.define_subscription(topic, one)
    return Answer()


def list_rules(caller: Caller, arguments: Arguments) -> Result:
    """List a page of rules."""
    _, one = _subscription(caller)
    skip, top = max(0, arguments.number("skip", 0)), max(0, arguments.number("top", 100))
    page = list(one.rules.values())[skip : skip + top]
    if not page:
        return _NOTHING
    maps = [e.map_of([e.text("rule-description"), _described(rule)]) for rule in page]
    return Answer(body=e.map_of([e.text("rules"), e.list_of(maps)]))


def _subscription(caller: Caller) -> tuple[Topic, Subscription]:
    topic, _, name = caller.node.path.partition("/subscriptions/")
    found = caller.namespace.subscription(topic, name)
    if isinstance(found, Refusal) or found[1].queue is not caller.node.entity:
        raise Malformed("request", "a subscription")
    return found


# --- read


def _filter(description: Mapping[str, object]) -> Filter:
    for name, read in _FILTERS.items():
        if name in description:
            return read(expect(dict, description[name]))
    raise Malformed("rule-description", "a filter")


def _sql_filter(fields: Mapping[str, object]) -> Filter:
    return SqlFilter.parse(fields.get("expression"), "sql-filter")


def _correlation_filter(fields: Mapping[str, object]) -> Filter:
    asked = {
        name.replace("-", ""): expect(str, fields[name])
        for name in _ASKED
        if fields.get(name) is not None
    }
    user = expect(dict, fields.get("properties") or {})
    return CorrelationFilter.of(
        asked, {expect(str, name): _value(value) for name, value in user.items()}, "properties"
    )


def _value(value: object) -> Value:
    if isinstance(value, str | float | bool) or type(value) is int:
        return value
    raise Malformed("properties", "text, a number, true or false")  # as in a config.json


_FILTERS: Mapping[str, Callable[[Mapping[str, object]], Filter]] = {
    "sql-filter": _sql_filter,
    "correlation-filter": _correlation_filter,
    "true-filter": lambda _: TrueFilter(),
    "false-filter": lambda _: FalseFilter(),
}


def _action(description: Mapping[str, object]) -> Action | None:
    action = description.get("sql-rule-action")
    if action is None:
        return None
    return Action.parse(expect(dict, action).get("expression"), "sql-rule-action")


# --- written


def _described(rule: Rule) -> bytes:
    fields = [_filter_bytes(rule.filter), _action_bytes(rule.action), e.text(rule.name)]
    return e.described(_DESCRIPTION, e.list_of([*fields, e.timestamp(0)]))


def _filter_bytes(chosen: Filter) -> bytes:
    match chosen:
        case TrueFilter():
            return _statement(_TRUE, "1=1")
        case FalseFilter():
            return _statement(_FALSE, "1=0")
        case SqlFilter():
            return _statement(_SQL, chosen.condition.text)
        case CorrelationFilter():
            system = dict(chosen.system)
            asked = [e.anything(system.get(name.replace("-", ""))) for name in _ASKED]
            user = [e.map_of([part for k, v in chosen.user for part in (e.text(k), e.anything(v))])]
            return e.described(_CORRELATION, e.list_of(asked + user))


def _action_bytes(action: Action | None) -> bytes:
    if action is None:
        return e.described(_NO_ACTION, e.list_of([]))
    return _statement(_SQL_ACTION, action.text)


def _statement(code: int, text: str) -> bytes:
    return e.described(code, e.list_of([e.text(text), _COMPATIBILITY]))
