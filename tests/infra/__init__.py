"""The deployment, checked without Azure and without a compiler."""
