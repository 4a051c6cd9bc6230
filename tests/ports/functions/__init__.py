"""The product's own function app, as Microsoft's worker sees it."""
