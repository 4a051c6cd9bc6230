"""Four hospitals: after which treatment patients come back."""
