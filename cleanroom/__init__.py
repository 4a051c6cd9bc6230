"""The shared words and rules of Cleanroom: bytes and values in, values out.

Pure: no I/O, no clock, no settings. Time, randomness, keys and files come in as arguments.
"""

__version__ = "0.1.0"
