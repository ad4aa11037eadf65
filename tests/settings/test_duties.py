"""Contacts, checks and jobs of a system file, and the times that jobs come again."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.settings.conftest import Load
from trellis.settings import SettingsError
from trellis.settings.cron import Cron

CHECK = "checks:\n  orders: {pool: main.web, sql: SELECT 1, do: Look}\n"
JOB = 'jobs:\n  tidy: {description: Tidies, cron: "5 4 * * *", database: main.shop, sql: CALL tidy()}\n'
ALERTS = "alerts:\n  emails: [ops@shop.dev]\n"


@pytest.mark.parametrize(
    ("text", "now", "due"),
    [
        ("30 2 * * *", "2026-03-01T02:30", "2026-03-01T02:30"),
        ("30 2 * * *", "2026-03-01T02:29", "2026-02-28T02:30"),
        ("*/15 * * * *", "2026-03-01T00:14", "2026-03-01T00:00"),
        ("0 0 29 2 *", "2027-03-01T00:00", "2024-02-29T00:00"),
        ("0 6 1 */3 *", "2026-06-30T00:00", "2026-04-01T06:00"),
        ("0 6 * * 7", "2026-11-27T00:00", "2026-11-22T06:00"),
        ("0 6 * * 1-5", "2026-11-29T12:00", "2026-11-27T06:00"),
        # Both days named: either will do.
        ("0 6 13 * 5", "2026-11-21T00:00", "2026-11-20T06:00"),
        ("0 6 13 * 5", "2026-11-19T00:00", "2026-11-13T06:00"),
        ("10,50 8-10/2 * * *", "2026-01-01T10:49", "2026-01-01T10:10"),
    ],
)
def test_when_it_was_due(text: str, now: str, due: str) -> None:
    def time(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert Cron.read(text).before(time(now)) == time(due)


def test_a_time_comes_once_a_day_for_a_year() -> None:
    cron, at = Cron.read("17 3 * * *"), datetime(2026, 1, 1, tzinfo=UTC)
    found = {cron.before(at + timedelta(hours=hour)) for hour in range(24 * 365)}
    assert len(found) == 366


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("30 2 * *", "'30 2 * *' has 4 fields. It takes five"),
        ("60 2 * * *", "'60' is no minute: a number from 0 to 59"),
        ("0 2 * * mon", "'mon' is no weekday"),
        ("0 5-2 * * *", "'5-2' is no hour"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("0 0 31 2 *", "'0 0 31 2 *' never comes"),
    ],
)
def test_times_that_are_none(text: str, said: str, load: Load) -> None:
    with pytest.raises(SettingsError) as error:
        load((ALERTS, ALERTS + JOB.replace("5 4 * * *", text)))
    assert str(error.value).startswith("systems/shop.yaml:28, jobs.tidy.cron: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (
            CHECK.replace("main.web", "main.wbe"),
            "checks.orders.pool: nobody defines the pool 'main.wbe'. Known: main.web.",
        ),
        (CHECK.replace(", do: Look", ""), "checks.orders.do: this key is needed and missing."),
        (CHECK.replace("do:", "severity: bad, do:"), "'bad' is not allowed. Allowed: 'note', 'warning', 'critical'."),
        (
            JOB.replace("main.shop", "main.shp"),
            "jobs.tidy.database: nobody defines the database 'main.shp'. Known: main.shop.",
        ),
        (JOB.replace("database: main.shop", "pool: main.web, database: main.shop"), "jobs.tidy: give one of `pool`"),
        (JOB.replace("sql:", "timeout_seconds: 0, sql:"), "jobs.tidy.timeout_seconds: 0"),
    ],
    ids=["pool", "advice", "severity", "database", "both", "timeout"],
)
def test_a_check_or_a_job_that_does_not_fit(added: str, said: str, load: Load) -> None:
    with pytest.raises(SettingsError) as error:
        load((ALERTS, ALERTS + added))
    assert said in str(error.value)


def test_where_checks_and_jobs_lead(load: Load) -> None:
    settings = load((ALERTS, ALERTS + CHECK + JOB))
    (check,), (job,) = settings.checks, settings.jobs
    assert (check.cluster, check.pool, check.database, check.tell) == ("shop-db", "web", "shop", ("ops@shop.dev",))
    assert (check.check.threshold, check.check.severity) == (0, "warning")
    assert (job.cluster, job.pool, job.database) == ("shop-db", None, "shop")


def test_a_layout_of_one_cluster_each_leads_to_the_own_one(load: Load) -> None:
    two = (
        "        roles: {app_role: shop_app}\n",
        "        roles: {app_role: shop_app}\n      other: {migrations: shop/shop}\n",
    )
    settings = load(two, (ALERTS, ALERTS + CHECK), layout="per-database")
    assert settings.checks[0].cluster == "shop-db-shop"


def test_who_is_told(load: Load) -> None:
    nobody = (ALERTS, "contacts: {on-call: [], admin: []}\n" + CHECK.replace("do:", "tell: admin, do:"))
    with pytest.raises(SettingsError) as error:
        load(nobody)
    assert str(error.value) == (
        "Pulumi.dev.yaml, trellis:contacts: nobody has the role 'on-call', so alerts would reach nobody. Name who is "
        "on call, for example trellis:contacts: {on-call: [ada@your-company.com]}."
    )
    quiet = load(nobody, environment="development")
    assert quiet.alerts is None
    assert quiet.checks[0].tell == ()
    heard = load(nobody, contacts=json.dumps({"on-call": ["a@shop.dev"], "admin": ["b@shop.dev"]}))
    assert heard.alerts is not None
    assert (heard.alerts.emails, heard.checks[0].tell) == (("a@shop.dev",), ("b@shop.dev",))
    # The stack's own go before the system's, and `emails` beside them.
    both = load((ALERTS, ALERTS + "contacts: {on-call: [c@shop.dev]}\n"), contacts='{"on-call": ["d@shop.dev"]}')
    assert both.alerts is not None
    assert both.alerts.emails == ("d@shop.dev", "ops@shop.dev")
    with pytest.raises(SettingsError, match="tells nobody by the role 'oncall'"):
        load(contacts='{"oncall": ["a@shop.dev"]}')


@pytest.mark.parametrize(
    "address", ["ops@tudao.example", "ops@EXAMPLE.com", "a@b.test", "a@mail.localhost", "a@x.invalid"]
)
def test_placeholders_reach_nobody(address: str, load: Load) -> None:
    with pytest.raises(SettingsError, match=f"{address}, of the role 'on-call', is a placeholder that reaches nobody"):
        load(("ops@shop.dev", address))
    load(("ops@shop.dev", address), environment="development")
    load(("ops@shop.dev", "ops@examples.com"))
