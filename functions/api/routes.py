"""All routes of the API, on one blueprint."""

from functions.api import jobs, rooms, service
from functions.api.door import blueprint

__all__ = ("blueprint", "jobs", "rooms", "service")
