"""The party's commands against running servers."""
