"""What the dev stack costs, with a limit beside each figure."""
