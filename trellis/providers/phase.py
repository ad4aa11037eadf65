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
                    "later; to go back: `trellis backup`, and `trellis restore --from` it into a new stack.",
                )
            )
        # A state of before has neither, and was both.
        for key, first in (("mode", "managed"), ("layout", "shared")):
            deployed = (_olds.get(key) or first) if _olds else news[key]
            # In the run that ends the protection the engine still refuses to delete, half-way.
            protected = news["protect"] or _olds.get("protect", False)
            if key == "mode" and self._keeps(deployed, _olds.get("clusters") or {}, news.get("clusters") or {}):
                continue
            if deployed != news[key] and (protected or news.get("abandon") != deployed):
                failures.append(
                    dynamic.CheckFailure(
                        key,
                        f"trellis:{key} is {news[key]}, but {deployed} is deployed. The change would delete the "
                        f"clusters with their data. Nothing was changed. Set trellis:{key} back to {deployed}. "
                        f"{'Or move them: `trellis move plan` tells what it takes. ' if key == 'mode' else ''}Or save "
                        "the data with `trellis backup`, "
                        f"{'deploy once with trellis:protect: never, ' if protected else ''}write "
                        f"trellis:abandon: {deployed} into the stack's config to say that they may go, run again, and "
                        "`trellis restore --from` the backup into the new clusters.",
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
        # The state keeps an input that is not compared: a stack of before records its clusters without a change.
        deployed = _olds.get("clusters") or {}
        news = self._dated(bool(_olds) and not deployed, deployed, news)
        failures += [*self._moves(deployed, news.get("clusters") or {}), *self._limits(news.get("clusters") or {})]
        return dynamic.CheckResult(news, failures)

    def _keeps(self, mode: str, olds: dict[str, Any], news: dict[str, Any]) -> bool:
        """Whether the clusters that stand in this mode go on to stand beside others, or stay when those go: a move."""
        before, after = (
            {name: cluster.get("mode", "managed") for name, cluster in clusters.items()} for clusters in (olds, news)
        )
        if not before:
            # A state of before names no server of one's own.
            return mode in after.values() and len(set(after.values())) > 1
        kept = before.keys() & after.keys()
        whole = kept in (before.keys(), after.keys())
        return whole and bool(kept) and all(before[name] == after[name] for name in kept)

    def _dated(self, from_before: bool, olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
        """The inputs with the day that each cluster was first asked for, as far as the program names days."""
        today = news.get("today") or ""
        dated = {
            name: {**cluster, "since": olds[name].get("since", "") if name in olds else "" if from_before else today}
            for name, cluster in (news.get("clusters") or {}).items()
        }
        kept = {key: value for key, value in news.items() if key not in ("today", "clusters")}
        return {**kept, **({"clusters": dated} if dated else {})}

    def _limits(self, news: dict[str, Any]) -> list[dynamic.CheckFailure]:
        """What a Standard cluster cannot have that was made since DigitalOcean limited them."""
        limited, most_gib = "2026-11-30", 4
        failures = []
        for name, cluster in news.items():
            asked = [
                words
                for words, is_asked in (
                    (f"{int(cluster['memory_gib'])} GiB of memory", int(cluster["memory_gib"]) > most_gib),
                    ("standby nodes", int(cluster["nodes"]) > 1),
                    ("read-only nodes", int(cluster["replicas"]) > 0),
                )
                if is_asked
            ]
            if "mode" in cluster:
                continue
            if cluster["since"] >= limited and cluster["edition"] == "standard" and asked:
                failures.append(
                    dynamic.CheckFailure(
                        "clusters",
                        f"{name} is asked to have {' and '.join(asked)}. A Standard cluster made since {limited} has "
                        f"at most {most_gib} GiB, one node and no read-only nodes; {name} is of {cluster['since']}. "
                        "Nothing was changed. Either ask for less in this phase, or set trellis:edition to advanced, "
                        "which a cluster that stands becomes by `trellis move`.",
                    )
                )
        return failures

    def _moves(self, olds: dict[str, Any], news: dict[str, Any]) -> list[dynamic.CheckFailure]:
        """What a cluster cannot become where it stands, or only without a way back."""
        failures = []
        for name in olds.keys() & news.keys():
            deployed, wanted = olds[name], news[name]
            if deployed.get("mode") != wanted.get("mode"):
                # Refused for all clusters at once, or given up.
                continue
            # A state of before names no region.
            if deployed.get("region", wanted.get("region")) != wanted.get("region"):
                failures.append(
                    dynamic.CheckFailure(
                        "clusters",
                        f"{name} is in {deployed['region']}, and trellis:region is {wanted['region']}. Network, apps "
                        "and Droplets would be made anew there, and the data left behind. Nothing was changed. Another "
                        "region is another stack, whose databases come from this one's (docs/move.md). A stack without "
                        "data is destroyed first.",
                    )
                )
            differs = [
                f"{key} {deployed[key]} to {wanted[key]}"
                for key in ("version", "edition")
                if deployed[key] != wanted[key]
            ]
            # A Droplet can become smaller, because its data lie on a volume.
            if "mode" not in wanted and int(wanted["memory_gib"]) < int(deployed["memory_gib"]):
                before, after = (int(one["memory_gib"]) for one in (deployed, wanted))
                differs.append(f"{before} GiB of memory to {after} GiB")
            if differs:
                failures.append(
                    dynamic.CheckFailure(
                        "clusters",
                        f"{name} would go from {' and from '.join(differs)}. That is a move to another cluster, with a "
                        "way back: `trellis move plan` tells what it takes. Nothing was changed.",
                    )
                )
        return failures

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("phase", self.facts(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(self.facts(_news))
