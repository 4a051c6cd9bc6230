"""Event Grid: topics that the genuine publisher sends to, subscriptions that deliver for sure."""
