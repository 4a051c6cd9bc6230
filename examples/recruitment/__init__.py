"""A drug maker, a hospital and a laboratory: where patients for a trial are."""
