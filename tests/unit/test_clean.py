"""What `make clean` may delete."""

from pathlib import Path

import pytest

from trellis.development.clean import refuse_foreign_states
from trellis.development.progress import Failure

LOCAL = "config:\n  digitalocean:apiEndpoint: http://127.0.0.1:7080\n"


def _checkout(folder: Path, **stacks: str) -> tuple[Path, Path]:
    states = folder / ".trellis" / "state" / ".pulumi" / "stacks" / "trellis"
    states.mkdir(parents=True)
    for name, config in stacks.items():
        (states / f"{name}.json").write_text("{}")
        if config:
            (folder / f"Pulumi.{name}.yaml").write_text(config)
    return folder / ".trellis" / "state", folder


def test_states_of_the_local_cloud(tmp_path: Path) -> None:
    refuse_foreign_states(*_checkout(tmp_path, dev=LOCAL, tudao=LOCAL))


def test_nothing_was_ever_deployed(tmp_path: Path) -> None:
    refuse_foreign_states(tmp_path / ".trellis" / "state", tmp_path)


@pytest.mark.parametrize("config", ["config:\n  trellis:system: villa\n", "", "config:\n", "encryptionsalt: v1:x\n"])
def test_a_state_that_make_up_did_not_make(tmp_path: Path, config: str) -> None:
    with pytest.raises(Failure, match=r"holds the state of prod, which `make up` did not make.* Nothing was deleted"):
        refuse_foreign_states(*_checkout(tmp_path, dev=LOCAL, prod=config))
