"""The dynamic providers: what Trellis makes that no plugin makes.

The path of this package is frozen. A stack's state stores a provider by reference, as the name of its module and the
name of its class: `trellis.providers.phase` and `PhaseProvider`. No code goes there. A refresh and a destroy load what
is stored, so a class that is moved or renamed has to stay importable by its old name, or every stack that exists can
be neither refreshed nor destroyed. tests/states holds states of every release to this.
"""
