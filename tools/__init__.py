"""What brings the parts of a working machine together: not imported by the program."""
