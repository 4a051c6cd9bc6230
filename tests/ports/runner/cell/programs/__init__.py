"""Programs that run in cells, where nothing can be measured."""
