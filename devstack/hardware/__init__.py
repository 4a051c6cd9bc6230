"""Confidential hardware made of software: evidence as the real one gives it, under synthetic roots.

Everything is signed correctly, so a knob turned (`dataclasses.replace`) spoils one thing only, and
what refuses the evidence is the check for that thing. Nobody trusts these roots who did not say so.
"""
