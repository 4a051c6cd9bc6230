"""The HTTP API: questions about rooms, and what parties hand in (docs/spec/http-api.md)."""
