"""Rows that were there and are not any more, brought back one by one beside what was written since."""
