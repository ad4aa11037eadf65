"""TUDAO goes to another region while it is written to: to a second stack, whose database comes from the first one's."""

import shutil

import psycopg

from tests.stacks.harness import local_stack, program_copy
from tests.stacks.test_move_foreign import Writer, application, flat, must
from trellis.development.bring import Parts


def test_there_and_back_and_for_good(parts: Parts) -> None:
    with program_copy() as program:
        shutil.copy(program / "Pulumi.tudao.yaml", program / "Pulumi.west.yaml")
        with local_stack(parts, "tudao", root=program) as east:
            east.api("POST", "/_local/account", {"subscriptions": True})
            east.up()
            before = len(east.journal())
            east.configure(region="sfo3")
            for told in (east.fails("preview"), east.trellis("move", "plan").text):
                assert "tudao-db is in nyc1, and trellis:region is sfo3." in flat(told)
                assert "Another region is another stack, whose databases come from this one" in flat(told)
            assert east.changes(before) == []
            east.configure(region="nyc1")
            west = east.beside("west", nameSuffix="west", region="sfo3", ipRange="10.50.0.0/16")
            uri = east.outputs()["direct_uris"]["tudao-db"]["tudao"].replace("verify-full", "require")
            key = ("--path", "trellis:from.tudao", "--config-file", str(west.config_file))
            assert west.pulumi("config", "set", "--secret", *key, uri).code == 0
            writer = Writer(application(east))
            writer.start()
            try:
                must(west, "start")
                writer.ways.append(application(west))
                for action in ("cutover", "rollback", "cutover"):
                    assert "hold the same" in must(west, action)
            finally:
                writer.end()
            assert len(writer.committed) > 100
            must(west, "finish", "--yes")
            with psycopg.connect("", **application(west), prepare_threshold=None) as connection:
                found = {one for (one,) in connection.execute("SELECT license_id FROM buyers").fetchall()}
            assert set(writer.committed) <= found
            regions = {one["name"]: one["region"] for one in east.api("GET", "/v2/databases")["databases"]}
            assert regions == {"tudao-db": "nyc1", "tudao-db-west": "sfo3"}
            west.must("preview", "--expect-no-changes")
