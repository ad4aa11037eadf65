"""Memory does not grow with the number or the size of the files."""

import json
import subprocess
import sys
from pathlib import Path

from tests.migrator.servers import Database

PROGRAM = """
import json, sys
from pathlib import Path
from trellis.migrator import Target, migrate
migrate(Target(json.loads(sys.argv[1])), Path(sys.argv[2]), {})
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def peak(database: Database, folder: Path) -> int:
    """The most memory that a run took, its interpreter included, in KiB."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(database.parameters()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    database.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return int(done.stdout)


def test_many_files(database: Database, tmp_path: Path) -> None:
    peaks = []
    for count in (50, 2000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"V{number}__x.sql").write_text(f"SELECT {number};\n--{'x' * 10_000}\n")
        peaks.append(peak(database, folder))
    # All 2,000 together hold 20 MB; an interpreter with the driver takes about 40.
    assert peaks[1] / peaks[0] < 1.3


def test_a_large_file(database: Database, tmp_path: Path) -> None:
    line = f"INSERT INTO t VALUES (1, '{'y' * 4000}');\n"
    peaks = []
    for count in (1_000, 10_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "V1__t.sql").write_text("CREATE UNLOGGED TABLE t (a int, b text);\n" + line * count)
        peaks.append(peak(database, folder))
    assert peaks[1] / peaks[0] < 1.3
