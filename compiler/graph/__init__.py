"""The Graph: a program as single-assignment tensor operations, and what builds, walks and rewrites it."""
