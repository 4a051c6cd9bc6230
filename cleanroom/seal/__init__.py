"""The sealed file (docs/spec/sealed-file.md): encrypted regions first, a signed manifest last.

Pure: offsets, ciphers and documents. Whoever does the I/O (party/sealing.py, the runner) asks here
which bytes stand where, and hands the bytes over.
"""
