"""The runner, measured."""
