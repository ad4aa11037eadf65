"""What the policy pack costs a preview: with the pack against without, at 10 and at 300 resources."""

from collections.abc import Callable
from pathlib import Path

from bench.timing import compare
from tests.policies.engine import EXECUTABLE, Previews
from tests.stacks.harness import open_folder
from trellis.development.bring import Parts
from trellis.development.progress import Failure

PROJECT = Path(__file__).resolve().parent / "many"
SIZES = (10, 300)


def run(parts: Parts) -> None:
    """Times previews of a program that registers so many resources."""
    with open_folder() as folder:
        previews = Previews(folder, parts)

        def preview(resources: int, *options: str) -> Callable[[], None]:
            def call() -> None:
                done = previews.pulumi("preview", *options, project=PROJECT, RESOURCES=str(resources))
                if done.returncode:
                    raise Failure(f"the program many: {done.stdout}{done.stderr}")

            return call

        for resources in SIZES:
            compare(
                f"preview of {resources} resources with the policy pack",
                preview(resources, "--policy-pack", str(EXECUTABLE)),
                preview(resources),
                against="the same without",
                runs=3,
            )
