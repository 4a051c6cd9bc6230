"""An insurer and a car maker: what drivers cost, by how they drive."""
