"""One folder for each use of a clean room, and what their generators share."""
