"""actionlint, with ShellCheck for the scripts, and zizmor: nothing to find, and told of what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import ROOT
from trellis.development.bring import actionlint, shellcheck

GITHUB = ROOT / ".github"
FILES = sorted(GITHUB.glob("workflows/*.yml"))
# Of a repository that `trellis new` writes.
WRITTEN = sorted((ROOT / "trellis" / "operations" / "new" / "files").glob("*.yml"))


def _lint(*files: Path) -> subprocess.CompletedProcess[str]:
    command = (str(actionlint()), "-shellcheck", str(shellcheck()), "-pyflakes", "", "-no-color")
    return subprocess.run((*command, *map(str, files)), capture_output=True, text=True, check=False)


def _audit(*paths: Path) -> subprocess.CompletedProcess[str]:
    # Without a network and a token: what it would ask GitHub is left out.
    command = (str(Path(sys.executable).with_name("zizmor")), "--offline", "--persona", "pedantic", "--format", "json")
    return subprocess.run((*command, *map(str, paths)), capture_output=True, text=True, check=False)


def test_nothing_to_find() -> None:
    assert (len(FILES), len(WRITTEN)) == (8, 4)
    for done in (_lint(*FILES, *WRITTEN), _audit(GITHUB, *WRITTEN)):
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("needs: stacks", "needs: stack", '"preview" needs job "stack" which does not exist'),
        ("steps.touched.outputs", "steps.touch.outputs", 'property "touch" is not defined'),
        ('>> "$GITHUB_OUTPUT"', ">> $GITHUB_OUTPUT", "SC2086"),
    ],
    ids=["job", "step", "script"],
)
def test_actionlint_refuses(old: str, new: str, said: str, tmp_path: Path) -> None:
    wrong = tmp_path / "preview.yml"
    wrong.write_text((GITHUB / "workflows" / "preview.yml").read_text().replace(old, new, 1))
    done = _lint(wrong)
    assert done.returncode == 1
    assert said in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        ('--pull-request "$NUMBER"', '--pull-request "${{ github.head_ref }}"', "template-injection"),
        ("          persist-credentials: false\n", "", "artipacked"),
        ("permissions:\n  contents: read", "permissions: write-all", "excessive-permissions"),
    ],
    ids=["trigger", "injection", "credentials", "rights"],
)
def test_zizmor_refuses(old: str, new: str, rule: str, tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    wrong = folder / "preview.yml"
    wrong.write_text((GITHUB / "workflows" / "preview.yml").read_text().replace(old, new, 1))
    done = _audit(wrong)
    assert done.returncode > 1
    assert f'"{rule}"' in done.stdout
