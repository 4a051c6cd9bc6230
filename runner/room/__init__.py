"""The room as the runner sees it: blobs of a storage that may lie, and what is verified of them."""
