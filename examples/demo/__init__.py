"""The demo: parties of an example compute on each other's data, and somebody cheats."""
