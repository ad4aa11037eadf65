"""Moving a stack's databases to another cluster while they are in use: `trellis move`.

Two clusters stand side by side, and each database streams its changes to its twin. One side takes writes, the other is
closed to all but the stream; a cut closes the one, waits for the last change, and opens the other. Nothing else tells
the two apart, so the way back is the same cut the other way.
"""
