"""Where DigitalOcean lets nobody follow another server a cluster moves all the same: here to a smaller plan."""

import re

import psycopg

from tests.stacks.harness import LocalStack, local_stack, program_copy
from tests.stacks.test_move import Writer, connected, must
from trellis.development.bring import Parts

SMALLEST = "launch: {plan: db-s-1vcpu-1gb}, growth: {plan: db-s-1vcpu-1gb}, scale: {plan: db-s-1vcpu-1gb}"


def test_from_4_gib_to_1_gib(parts: Parts) -> None:
    with program_copy() as program, local_stack(parts, root=program, phase="scale") as stack:
        stack.up()
        villa = program / "systems" / "villa.yaml"
        before = villa.read_text()
        smaller = re.sub(r"(\n    phases:).*?(?=\n\w)", rf"\1 {{{SMALLEST}}}\n", before, flags=re.DOTALL)
        villa.write_text(smaller)
        since = len(stack.journal())
        assert "villa-db would go from 4 GiB of memory to 1 GiB. That is a move" in flat(stack.fails("preview"))
        plan = must(stack, "plan")
        assert "plan db-s-2vcpu-4gb → db-s-1vcpu-1gb" in plan
        assert stack.changes(since) == []
        writer = Writer(stack)
        writer.start()
        try:
            refused = stack.trellis("move", "start")
            assert refused.code == 1, refused.text
            assert "the administrator may not follow another server" in flat(refused.text)
            assert "Or say --by-copy: nothing follows" in flat(refused.text)
            must(stack, "start", "--by-copy")
            assert "nothing follows: rows are copied at the cut" in must(stack, "status")
            for action in ("cutover", "rollback"):
                assert "hold the same" in must(stack, action, "--yes")
            # Given up: the files have to say so first.
            refused = stack.trellis("move", "finish", "--yes")
            assert "villa-db would stay, and the files ask for something else" in flat(refused.text)
            assert "hold the same" in must(stack, "cutover", "--yes")
            with psycopg.connect(review_uri(stack), sslrootcert=str(stack.authority())) as connection:
                assert connection.execute("SELECT count(*) > 0 FROM flyway_schema_history").fetchone() == (True,)
        finally:
            writer.end()
        assert len(writer.committed) > 50
        must(stack, "finish", "--yes", "--dump-folder", str(stack.workspace.folder / "kept"))
        (cluster,) = stack.api("GET", "/v2/databases")["databases"]
        assert (cluster["name"], cluster["size"]) == ("villa-db-2", "db-s-1vcpu-1gb")
        stack.must("preview", "--expect-no-changes")
        with connected(stack) as connection:
            found = {address for (address,) in connection.execute("SELECT address FROM profiles").fetchall()}
        assert set(writer.committed) <= found


def review_uri(stack: LocalStack) -> str:
    return str(stack.outputs()["review_uris"]["villa-db"]["villa"])


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)
