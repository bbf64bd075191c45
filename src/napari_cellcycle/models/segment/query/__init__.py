"""Coordinate queries: a network is asked, point by point, what lies there."""
