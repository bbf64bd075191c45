"""Learning to answer coordinate queries, and what kind of cell lies at a point."""
