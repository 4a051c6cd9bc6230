"""Keys that open functions, webhooks and the admin API; all derived from the stack's home.

- master: everything; default (the host key): every function; a function's own key: that function;
  a system key: one extension's webhook. A function's own has a name that no other key can have,
  whatever the function is called.
- A key stands in the header `x-functions-key`, or else in the query as `code`. Keys are base64, so
  a plus that a query turned into a space is put back.
"""

import hmac
from dataclasses import dataclass

from devstack.functions_host.functions import Level
from devstack.home import Home

MASTER = "master"
HOST = "default"
EVENT_GRID = "eventgrid_extension"
HEADER = "x-functions-key"
QUERY = "code"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one host."""

    home: Home

    def opens_function(self, given: str | None, function: str, level: Level) -> bool:
        """Tell whether a caller may run a function over HTTP."""
        match level:
            case Level.ANONYMOUS:
                return True
            case Level.FUNCTION:
                return self._is(given, own(function), HOST, MASTER)
            case Level.ADMIN:
                return self._is(given, MASTER)

    def opens_webhook(self, given: str | None, extension: str) -> bool:
        """Tell whether a caller may deliver to an extension."""
        return self._is(given, extension, MASTER)

    def opens_admin(self, given: str | None) -> bool:
        """Tell whether a caller may see and fire everything."""
        return self._is(given, MASTER)

    def _is(self, given: str | None, *names: str) -> bool:
        key = (given or "").replace(" ", "+").encode("utf-8", "surrogatepass")
        good = [self.home.secret(f"functions/{name}").encode() for name in names]
        return True in [hmac.compare_digest(key, one) for one in good]


def own(function: str) -> str:
    """Name a function's own key."""
    return f"own/{function}"
