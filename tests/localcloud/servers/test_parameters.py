"""Settings of the primary that a user chooses."""

import pytest

from localcloud.servers import Cluster, InvalidRequest
from tests.localcloud.servers.clients import Place, value


def test_they_hold_at_once_and_after_a_restart_until_they_are_taken_back(cluster: Cluster, place: Place) -> None:
    with place.connect(cluster) as session:
        usual = value(session, "SHOW work_mem")
        cluster.configure({"work_mem": "9MB", "timezone": "Europe/Berlin"})
        assert value(session, "SHOW work_mem") == "9MB"
    cluster.stop()
    loaded = place.load()
    loaded.start()
    assert loaded.state.parameters == {"work_mem": "9MB", "timezone": "Europe/Berlin"}
    with place.connect(loaded) as session:
        assert (value(session, "SHOW work_mem"), value(session, "SHOW timezone")) == ("9MB", "Europe/Berlin")
        loaded.configure({})
        assert (value(session, "SHOW work_mem"), value(session, "SHOW timezone")) == (usual, "UTC")


def test_what_the_server_cannot_take_changes_nothing(cluster: Cluster, place: Place) -> None:
    cluster.configure({"work_mem": "9MB"})
    for wrong in ({"timezone": "Mars/Olympus"}, {"work_mem": "much"}, {"no_such_setting": "1"}):
        with pytest.raises(InvalidRequest, match=f"keeps its old settings. {next(iter(wrong))}"):
            cluster.configure({"work_mem": "11MB"} | wrong)
    assert cluster.state.parameters == {"work_mem": "9MB"}
    with place.connect(cluster) as session:
        assert value(session, "SHOW work_mem") == "9MB"
