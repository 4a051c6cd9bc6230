"""A bank and a retailer: which product to offer next, to whom."""
