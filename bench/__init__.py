"""Timings of this project as ratios: both sides of a comparison from the same run."""
