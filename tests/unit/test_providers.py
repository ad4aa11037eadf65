"""What a stack's state holds of each dynamic provider: two names, which never change."""

import base64
import pickle
import pickletools
from pathlib import Path

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from trellis import providers
from trellis.providers.authority import AuthorityProvider
from trellis.providers.base import Provider
from trellis.providers.contents import ContentsProvider
from trellis.providers.files import FileProvider
from trellis.providers.membership import MembershipProvider
from trellis.providers.migrations import MigrationsProvider
from trellis.providers.phase import PhaseProvider
from trellis.providers.settings import SettingProvider

# Provider -> what is stored, to the letter.
STORED: dict[type[Provider], str] = {
    PhaseProvider: "gASVMAAAAAAAAACMF3RyZWxsaXMucHJvdmlkZXJzLnBoYXNllIwNUGhhc2VQcm92aWRlcpSTlCmBlC4=",
    MigrationsProvider: (
        "gASVOgAAAAAAAACMHHRyZWxsaXMucHJvdmlkZXJzLm1pZ3JhdGlvbnOUjBJNaWdyYXRpb25zUHJvdmlkZXKUk5QpgZQu"
    ),
    FileProvider: "gASVLwAAAAAAAACMF3RyZWxsaXMucHJvdmlkZXJzLmZpbGVzlIwMRmlsZVByb3ZpZGVylJOUKYGULg==",
    ContentsProvider: "gASVNgAAAAAAAACMGnRyZWxsaXMucHJvdmlkZXJzLmNvbnRlbnRzlIwQQ29udGVudHNQcm92aWRlcpSTlCmBlC4=",
    AuthorityProvider: ("gASVOAAAAAAAAACMG3RyZWxsaXMucHJvdmlkZXJzLmF1dGhvcml0eZSMEUF1dGhvcml0eVByb3ZpZGVylJOUKYGULg=="),
    MembershipProvider: (
        "gASVOgAAAAAAAACMHHRyZWxsaXMucHJvdmlkZXJzLm1lbWJlcnNoaXCUjBJNZW1iZXJzaGlwUHJvdmlkZXKUk5QpgZQu"
    ),
    SettingProvider: "gASVNQAAAAAAAACMGnRyZWxsaXMucHJvdmlkZXJzLnNldHRpbmdzlIwPU2V0dGluZ1Byb3ZpZGVylJOUKYGULg==",
}
# The same before there was a package for them. Stacks hold these until an `up` updates the resource.
STORED_BEFORE: dict[type[Provider], str] = {
    PhaseProvider: "gASVKgAAAAAAAACMEGNvbXBvbmVudHMucGhhc2WUjA5fUGhhc2VQcm92aWRlcpSTlCmBlC4=",
    MigrationsProvider: "gASVNAAAAAAAAACMFWNvbXBvbmVudHMubWlncmF0aW9uc5SME19NaWdyYXRpb25zUHJvdmlkZXKUk5QpgZQu",
    FileProvider: "gASVNAAAAAAAAACMG2NvbXBvbmVudHMuY29ubmVjdGlvbl9maWxlc5SMDV9GaWxlUHJvdmlkZXKUk5QpgZQu",
    ContentsProvider: (
        "gASVPAAAAAAAAACMH2NvbXBvbmVudHMuc2VsZl9ob3N0ZWQuY29udGVudHOUjBFfQ29udGVudHNQcm92aWRlcpSTlCmBlC4="
    ),
    AuthorityProvider: (
        "gASVPgAAAAAAAACMIGNvbXBvbmVudHMuc2VsZl9ob3N0ZWQuYXV0aG9yaXR5lIwSX0F1dGhvcml0eVByb3ZpZGVylJOUKYGULg=="
    ),
}


@pytest.mark.parametrize("provider", STORED)
def test_what_is_stored_never_changes(provider: type[Provider]) -> None:
    stored = base64.b64decode(STORED[provider])
    # The second byte is the protocol that this Python pickles with.
    assert base64.b64decode(serialize_provider(provider())) == bytes([stored[0], pickle.DEFAULT_PROTOCOL]) + stored[2:]


@pytest.mark.parametrize("provider", STORED)
def test_it_is_the_names_of_a_module_and_a_class_and_no_code(provider: type[Provider]) -> None:
    words = [value for _, value, _ in pickletools.genops(base64.b64decode(STORED[provider])) if isinstance(value, str)]
    assert words == [provider.__module__, provider.__name__]


@pytest.mark.parametrize(("provider", "stored"), [*STORED.items(), *STORED_BEFORE.items()])
def test_what_is_stored_can_be_loaded(provider: type[Provider], stored: str) -> None:
    assert type(pickle.loads(base64.b64decode(stored))) is provider  # noqa: S301


def test_no_provider_is_missing_here() -> None:
    found = {path.stem for path in Path(providers.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert {provider.__module__.rpartition(".")[2] for provider in STORED} == found
    assert {provider.__name__ for provider in STORED} == {provider.__name__ for provider in Provider.__subclasses__()}
