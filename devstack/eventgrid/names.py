"""How resources of this service are called, as ARM calls them, and where they are."""

from dataclasses import dataclass

from devstack.eventgrid.handshake import Proof

SYSTEM_TOPIC = "storage"
_PROVIDER = "providers/Microsoft.EventGrid"


@dataclass(frozen=True, slots=True)
class Names:
    """The subscription id of the stack, and the url of this server."""

    account: str
    url: str

    def topic(self, topic: str) -> str:
        """Name a topic."""
        sort = "systemTopics" if topic == SYSTEM_TOPIC else "topics"
        return f"/subscriptions/{self.account}/resourceGroups/cleanroom/{_PROVIDER}/{sort}/{topic}"

    def subscription(self, topic: str, name: str) -> str:
        """Name a subscription."""
        return f"{self.topic(topic)}/eventSubscriptions/{name}"

    def endpoint(self, topic: str) -> str:
        """Say where to publish."""
        return f"{self.url}/topics/{topic}/api/events"

    def proof(self, topic: str, name: str, code: str) -> Proof:
        """Say what a handshake asks for."""
        url = f"{self.url}/eventsubscriptions/{name}/validate?id={code}"
        return Proof(code, url, self.topic(topic), name)
