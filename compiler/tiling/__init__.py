"""Choice of tile shapes and loop orders."""
