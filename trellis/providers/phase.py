"""What a stack has become: the provider behind `Phase`."""

from typing import Any

from pulumi import dynamic

from trellis.providers.base import Provider


class PhaseProvider(Provider):
    """Remembers what is deployed in the stack's state and refuses what would lose data, in a preview too."""

    version = "1"
    compared = ("phase", "rank", "mode", "layout", "name_suffix", "prices")

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        failures = []
        if _olds and news["rank"] < _olds["rank"]:
            failures.append(
                dynamic.CheckFailure(
                    "phase",
                    f"trellis:phase is {news['phase']}, but {_olds['phase']} is deployed. DigitalOcean does not shrink "
                    f"a cluster's plan or storage. Nothing was changed. Set trellis:phase to {_olds['phase']} or "
                    "later; to go back, restore a backup into a new stack.",
                )
            )
        for key in ("mode", "layout"):
            if news["protect"] and _olds.get(key, news[key]) != news[key]:
                failures.append(
                    dynamic.CheckFailure(
                        key,
                        f"trellis:{key} is {news[key]}, but {_olds[key]} is deployed. The change would delete the "
                        f"clusters with their data. Nothing was changed. Set trellis:{key} back to {_olds[key]}, or "
                        "dump the data first, set trellis:protect to never, and restore into the new clusters.",
                    )
                )
        # A stack whose names have no suffix does not record one.
        suffix, deployed = (props.get("name_suffix") or "" for props in (news, _olds))
        if _olds and suffix != deployed:
            failures.append(
                dynamic.CheckFailure(
                    "name_suffix",
                    f"trellis:nameSuffix is {suffix or 'empty'}, but {deployed or 'none'} is deployed. With other "
                    "names the clusters would be made anew, without their data. Nothing was changed. "
                    f"{f'Set it back to {deployed}' if deployed else 'Take the key out'}; another environment is "
                    "another stack.",
                )
            )
        return dynamic.CheckResult(news, failures)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("phase", self.facts(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(self.facts(_news))
