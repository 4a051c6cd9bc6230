"""Stand-ins for what Microsoft's tests import and no package has: their repository's own tools.

- `servicebus_preparer` makes entities in Azure by decorators; ours makes them on our bus.
- `devtools_testutils` records and replays HTTP; nothing here is recorded.
- `azure.common` and `azure.mgmt` are imported for a few names only.
"""

import asyncio
import functools
import inspect
import sys
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, Self

from azure.core.credentials import AccessToken

from devstack.home import HOST
from tests.buses import LISTENER, ROOT, SENDER, Bus, token

_TOKEN_LIFE = 3600


class Setup:
    """The bus that the preparers make entities on."""

    bus: Bus


class Preparer:
    """A decorator that makes something and hands it to the test by name."""

    parameter = ""

    def __init__(self, *_: object, **options: Any) -> None:
        self.options = options
        self.parameter = options.get("parameter_name", self.parameter)

    def made(self, _: dict[str, Any]) -> dict[str, Any]:
        """Make it; what other preparers made before is given."""
        return {}

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        def prepared(instance: object, *args: Any, **given: Any) -> Any:
            found = test(instance, *args, **given, **self.made(given))
            return asyncio.run(found) if inspect.iscoroutine(found) else found

        return prepared


class NamespacePreparer(Preparer):
    """The bus itself, as a namespace that is reached over TLS at its usual port."""

    parameter = "servicebus_namespace"

    def made(self, _: dict[str, Any]) -> dict[str, Any]:
        """Describe it."""
        return {
            self.parameter: SimpleNamespace(name=HOST, id=HOST),
            f"{self.parameter}_connection_string": connection_string(ROOT),
            f"{self.parameter}_key_name": ROOT,
            f"{self.parameter}_primary_key": Setup.bus.home.secret(f"bus/{ROOT}"),
        }


class QueuePreparer(Preparer):
    """A queue."""

    parameter = "servicebus_queue"

    def made(self, _: dict[str, Any]) -> dict[str, Any]:
        """Make it with the options that the decorator names."""
        get = self.options.get
        name = Setup.bus.control.queue(
            LockDuration=get("lock_duration", "PT30S"),
            RequiresDuplicateDetection=get("requires_duplicate_detection", False),
            DeadLetteringOnMessageExpiration=get("dead_lettering_on_message_expiration", False),
            RequiresSession=get("requires_session", False),
        )
        return {self.parameter: SimpleNamespace(name=name, id=name)}


class TopicPreparer(Preparer):
    """A topic."""

    parameter = "servicebus_topic"

    def made(self, _: dict[str, Any]) -> dict[str, Any]:
        """Make it."""
        name = Setup.bus.control.topic()
        return {self.parameter: SimpleNamespace(name=name, id=name)}


class SubscriptionPreparer(Preparer):
    """A subscription of the topic that was made before."""

    parameter = "servicebus_subscription"

    def made(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make it."""
        topic = given[self.options.get("servicebus_topic_parameter_name", TopicPreparer.parameter)]
        name = Setup.bus.control.subscription(
            topic.name,
            f"subscription-{len(given)}",
            LockDuration=self.options.get("lock_duration", "PT1M"),
            RequiresSession=self.options.get("requires_session", False),
        )
        return {self.parameter: SimpleNamespace(name=name, id=name)}


class NamespaceRulePreparer(Preparer):
    """A key with the rights that the decorator names: the bus has one for each case."""

    parameter = "servicebus_authorization_rule"

    def made(self, _: dict[str, Any]) -> dict[str, Any]:
        """Choose it."""
        rights = tuple(self.options.get("access_rights", ("Manage",)))
        rule = {("Send",): SENDER, ("Listen",): LISTENER}.get(rights, ROOT)
        return {
            self.parameter: SimpleNamespace(name=rule, id=rule),
            f"{self.parameter}_connection_string": connection_string(rule),
        }


class QueueRulePreparer(Preparer):
    """A key for one queue: the root's, in a connection string that names the queue."""

    parameter = "servicebus_queue_authorization_rule"

    def made(self, given: dict[str, Any]) -> dict[str, Any]:
        """Describe it."""
        queue = given[QueuePreparer.parameter].name
        return {
            self.parameter: SimpleNamespace(name=ROOT, id=ROOT),
            f"{self.parameter}_connection_string": f"{connection_string(ROOT)};EntityPath={queue}",
        }


class RecordedCase:
    """What Microsoft's test classes inherit from."""

    is_live = True

    @staticmethod
    def await_prepared_test(test: Any) -> Any:
        """Make a test without a preparer wait for its coroutine."""

        @functools.wraps(test)
        def waiting(instance: object, *args: Any, **given: Any) -> Any:
            return asyncio.run(test(instance, *args, **given))

        return waiting


class Credential:
    """The token of an identity that the stack knows, for sync and aio clients."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """Issue a token."""
        return AccessToken(token(Setup.bus.home), int(time.time()) + _TOKEN_LIFE)


class AsyncCredential:
    """The same for aio clients."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        """Issue a token."""
        return Credential().get_token()

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def connection_string(rule: str) -> str:
    """Return a connection string as Azure's portal shows it, without the emulator's flag."""
    key = Setup.bus.home.secret(f"bus/{rule}")
    return f"Endpoint=sb://{HOST}/;SharedAccessKeyName={rule};SharedAccessKey={key}"


def get_credential(*, is_async: bool = False, **_: Any) -> Credential | AsyncCredential:
    """Return what `devtools_testutils` calls a credential."""
    return AsyncCredential() if is_async else Credential()


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def unchanged(test: Any) -> Any:
    """Return the test."""
    return test


def install() -> None:
    """Put the stand-ins where Microsoft's tests import them from."""
    preparers: dict[str, object] = {
        "ServiceBusNamespacePreparer": NamespacePreparer,
        "ServiceBusQueuePreparer": QueuePreparer,
        "ServiceBusResourceGroupPreparer": Preparer,
        "ServiceBusSubscriptionPreparer": SubscriptionPreparer,
        "ServiceBusTopicPreparer": TopicPreparer,
    }
    preparers |= {f"Cached{name}": preparer for name, preparer in preparers.items()}
    _module(
        "servicebus_preparer",
        SERVICEBUS_DEFAULT_AUTH_RULE_NAME=ROOT,
        SERVICEBUS_ENDPOINT_SUFFIX="",
        ServiceBusNamespaceAuthorizationRulePreparer=NamespaceRulePreparer,
        ServiceBusQueueAuthorizationRulePreparer=QueueRulePreparer,
        **preparers,
    )
    _module(
        "devtools_testutils",
        AzureMgmtRecordedTestCase=RecordedCase,
        AzureRecordedTestCase=RecordedCase,
        RandomNameResourceGroupPreparer=Preparer,
        PowerShellPreparer=Preparer,
        get_credential=get_credential,
        set_custom_default_matcher=nothing,
    )
    _module("devtools_testutils.aio", recorded_by_proxy_async=unchanged)
    _module(
        "devtools_testutils.sanitizers",
        add_general_regex_sanitizer=nothing,
        add_oauth_response_sanitizer=nothing,
        add_remove_header_sanitizer=nothing,
    )
    error = type("AzureHttpError", (Exception,), {})
    _module("azure.common", AzureHttpError=error, AzureConflictHttpError=error)
    rights = SimpleNamespace(manage="Manage", send="Send", listen="Listen")
    _module("azure.mgmt")
    _module("azure.mgmt.servicebus")
    _module("azure.mgmt.servicebus.models", AccessRights=rights)


def _module(name: str, **contents: object) -> None:
    made = ModuleType(name)
    made.__dict__.update(contents, __path__=[])
    sys.modules[name] = made
