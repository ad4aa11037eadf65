"""The one error of this package."""


class SettingsError(ValueError):
    """A value that cannot be used. The text names the file, the key, the value and what is allowed."""
