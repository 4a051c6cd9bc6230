"""An asset manager and a provider of ratings: what funds must expect to lose."""
