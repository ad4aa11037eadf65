"""Trellis: builds the system that the stack's config names, at the phase it names."""

from pathlib import Path

from components.program import deploy

deploy(Path(__file__).resolve().parent)
