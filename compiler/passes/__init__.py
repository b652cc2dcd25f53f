"""Graph passes, one file each, named after what they do."""
