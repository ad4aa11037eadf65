"""What a checkout needs beside the program: its checks, and what its workflows run. Not imported by the program."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""
