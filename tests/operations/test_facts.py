"""What the catalogue says of DigitalOcean, beside what an account is offered."""

from datetime import date
from typing import Any

from trellis.operations.facts import differences
from trellis.settings.catalogue import PLANS, REGIONS, Edition

BEFORE, BETWEEN, SINCE = date(2026, 10, 14), date(2026, 10, 15), date(2026, 11, 30)
STANDBYS = [slug for slug, plan in PLANS.items() if plan.standby_allowed]
SMALL = [slug for slug, plan in PLANS.items() if plan.memory_gib <= 4]


def offered(*, limited: bool = False) -> dict[str, Any]:
    """As the API tells it, with a size that no phase can name."""
    return {
        edition.engine: {
            "regions": sorted(REGIONS),
            "versions": list(edition.versions),
            "layouts": [
                {"num_nodes": 1, "sizes": [*(SMALL if standard and limited else PLANS), "gd-2vcpu-8gb"]},
                *([] if standard and limited else [{"num_nodes": 2, "sizes": [*STANDBYS, "gd-2vcpu-8gb"]}]),
            ],
        }
        for edition in Edition
        for standard in [edition is Edition.STANDARD]
    }


def told(offer: dict[str, Any], today: date) -> list[str]:
    return [str(one) for one in differences(offer, today)]


def test_an_account_that_is_offered_what_the_catalogue_says() -> None:
    assert told(offered(), BEFORE) == []
    # Between the two days it depends on the account.
    assert told(offered(), BETWEEN) == []
    assert told(offered(limited=True), BETWEEN) == []
    assert told(offered(limited=True), SINCE) == []


def test_each_difference_is_named() -> None:
    offer = offered()
    offer["pg"]["versions"] = ["14", "15", "16", "17", "18", "19"]
    offer["pg"]["regions"] = [*(REGIONS - {"sfo2"}), "nyc4"]
    offer["advanced_pg"]["layouts"][0]["sizes"].remove("db-s-2vcpu-4gb")
    assert told(offer, BEFORE) == [
        "standard, versions: not offered: 13; not in the catalogue: 19",
        "standard, regions: not offered: sfo2; not in the catalogue: nyc4",
        "advanced, plans: not offered: db-s-2vcpu-4gb",
    ]
    del offer["advanced_pg"]
    assert told(offer, BEFORE)[2:] == ["advanced, the edition: not offered: advanced_pg"]


def test_limits_that_come_early_or_do_not_come_are_named() -> None:
    assert told(offered(limited=True), BEFORE) == [
        "standard, plans: not offered: db-s-4vcpu-8gb, db-s-6vcpu-16gb",
        "standard, plans with a standby: not offered: db-s-1vcpu-2gb, db-s-2vcpu-4gb, db-s-4vcpu-8gb, db-s-6vcpu-16gb",
    ]
    assert told(offered(), SINCE) == [
        "standard, plans: not in the catalogue: db-s-4vcpu-8gb, db-s-6vcpu-16gb",
        "standard, plans with a standby: not in the catalogue: "
        "db-s-1vcpu-2gb, db-s-2vcpu-4gb, db-s-4vcpu-8gb, db-s-6vcpu-16gb",
    ]
