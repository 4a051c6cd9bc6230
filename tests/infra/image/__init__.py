"""The runner's image: made the same each time, and measured as firmware will."""
