"""Keys that live as long as a job: released by the parties' vaults, and what they open."""
