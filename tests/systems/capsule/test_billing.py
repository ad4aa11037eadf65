"""Customers, subscriptions, invoices, payments and the financial audit trail."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.systems.capsule.product import ADMIN, SUPERUSER, Service

SERVICE = "billing"
CUSTOMER, PLAN, SUBSCRIPTION, INVOICE = (f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 5))
KEY = "10000000-0000-0000-0000-000000000001"
ISSUE = "UPDATE invoices SET status = 'open', number = 'C-1', issued_at = now()"
PAY = (
    "INSERT INTO payments (customer_id, invoice_id, amount, currency, idempotency_key, provider, provider_payment_id)"
    f" VALUES ('{CUSTOMER}', '{INVOICE}', 2500, 'USD', '{KEY}', 'stripe', 'pi_1')"
)


@pytest.fixture
def billing(in_one_transaction: Service) -> Service:
    """A customer with a subscription and a draft invoice, all gone afterwards."""
    open_account(in_one_transaction)
    return in_one_transaction


def open_account(billing: Service) -> None:
    """A customer with a subscription and a draft invoice."""
    for statement in (
        "INSERT INTO customers (id, user_id, email, currency, provider, provider_customer_id)"
        f" VALUES ('{CUSTOMER}', '{CUSTOMER}', 'ada@example.org', 'USD', 'stripe', 'cus_1')",
        f"INSERT INTO plans (id, code, name, price, currency) VALUES ('{PLAN}', 'team', 'Team', 2500, 'USD')",
        "INSERT INTO subscriptions (id, customer_id, plan_id, provider, provider_subscription_id, period_start,"
        f" period_end) VALUES ('{SUBSCRIPTION}', '{CUSTOMER}', '{PLAN}', 'stripe', 'sub_1', now(), now() + '1 month')",
        "INSERT INTO invoices (id, customer_id, subscription_id, currency)"
        f" VALUES ('{INVOICE}', '{CUSTOMER}', '{SUBSCRIPTION}', 'USD')",
        "INSERT INTO invoice_lines (invoice_id, description, quantity, unit_price)"
        f" VALUES ('{INVOICE}', 'Team, a month', 3, 1000), ('{INVOICE}', 'Discount', 1, -500)",
    ):
        billing.run(statement)


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "BRL"])
def test_the_four_currencies_are_taken(billing: Service, currency: str) -> None:
    billing.run("UPDATE customers SET currency = %s", currency)


@pytest.mark.parametrize("currency", ["usd", "CHF", "JPY", "", "USDT"])
def test_no_other_currency_is_taken(billing: Service, currency: str) -> None:
    billing.refused(psycopg.errors.CheckViolation, f"UPDATE customers SET currency = '{currency}'")


def test_an_invoice_is_the_sum_of_its_lines(billing: Service) -> None:
    assert billing.run("SELECT currency, total FROM invoice_totals") == [("USD", 2500)]
    billing.run("DELETE FROM invoice_lines")
    assert billing.run("SELECT total FROM invoice_totals") == [(0,)]


def test_an_issued_invoice_is_fixed(billing: Service) -> None:
    billing.refused(psycopg.errors.CheckViolation, "UPDATE invoices SET status = 'open'")
    billing.run(ISSUE)
    billing.refused(
        psycopg.errors.RestrictViolation,
        "UPDATE invoices SET status = 'draft'",
        "UPDATE invoices SET number = 'C-2'",
        "UPDATE invoices SET currency = 'EUR'",
        "UPDATE invoices SET subscription_id = NULL",
        "DELETE FROM invoices",
        "DELETE FROM invoice_lines",
        "UPDATE invoice_lines SET unit_price = 1",
        f"INSERT INTO invoice_lines (invoice_id, description, unit_price) VALUES ('{INVOICE}', 'More', 1)",
    )
    billing.refused(psycopg.errors.RestrictViolation, "DELETE FROM invoices", user=ADMIN)
    billing.run("UPDATE invoices SET status = 'paid', paid_at = now()")


def test_a_line_is_not_moved_into_an_issued_invoice(billing: Service) -> None:
    billing.run(ISSUE)
    billing.run(
        f"WITH made AS (INSERT INTO invoices (customer_id, currency) VALUES ('{CUSTOMER}', 'USD') RETURNING id)"
        " INSERT INTO invoice_lines (invoice_id, description, unit_price) SELECT id, 'Later', 1 FROM made"
    )
    billing.refused(
        psycopg.errors.RestrictViolation,
        f"UPDATE invoice_lines SET invoice_id = '{INVOICE}' WHERE description = 'Later'",
    )


def test_a_draft_may_go(billing: Service) -> None:
    billing.run("DELETE FROM invoices")
    assert billing.value("SELECT count(*) FROM invoice_lines") == 0


def test_a_payment_is_in_the_currency_of_its_invoice(billing: Service) -> None:
    billing.refused(psycopg.errors.ForeignKeyViolation, PAY.replace("'USD'", "'EUR'"))
    billing.run(PAY)


def test_the_same_payment_counts_once(billing: Service) -> None:
    billing.run(PAY)
    again = PAY.replace(KEY, KEY.replace("1000", "2000", 1))
    other = PAY.replace("pi_1", "pi_2")
    billing.refused(psycopg.errors.UniqueViolation, PAY, again, other)
    billing.run(f"{PAY} ON CONFLICT DO NOTHING")
    assert billing.value("SELECT count(*) FROM payments") == 1


def test_a_refund_is_no_more_than_was_paid(billing: Service) -> None:
    billing.run(PAY)
    billing.refused(
        psycopg.errors.CheckViolation,
        "UPDATE payments SET refunded = 2501",
        "UPDATE payments SET refunded = -1",
        "UPDATE payments SET refunded = 2500",
        "UPDATE payments SET status = 'refunded', refunded = 2499",
        "UPDATE payments SET status = 'failed'",
        "UPDATE payments SET amount = 0",
    )
    billing.run("UPDATE payments SET status = 'succeeded', refunded = 100")
    billing.run("UPDATE payments SET status = 'refunded', refunded = 2500")


def test_a_plan_is_subscribed_to_once_at_a_time(billing: Service) -> None:
    again = (
        "INSERT INTO subscriptions (customer_id, plan_id, provider, provider_subscription_id, period_start, period_end)"
        f" VALUES ('{CUSTOMER}', '{PLAN}', 'stripe', 'sub_2', now(), now() + '1 month')"
    )
    billing.refused(psycopg.errors.UniqueViolation, again)
    billing.refused(psycopg.errors.CheckViolation, "UPDATE subscriptions SET status = 'cancelled'")
    billing.run("UPDATE subscriptions SET status = 'cancelled', cancelled_at = now()")
    billing.run(again)


def test_many_at_once_hand_in_the_same_message(copied: Service) -> None:
    message = (
        "INSERT INTO provider_events (provider, provider_event_id, kind, payload)"
        " VALUES ('stripe', 'evt_1', 'payment_intent.succeeded', '{}') ON CONFLICT DO NOTHING RETURNING id"
    )
    with ThreadPoolExecutor(4) as pool:
        first = [rows for rows in pool.map(lambda _: copied.run(message), range(8)) if rows]
    assert len(first) == 1


def test_every_change_of_money_is_on_the_trail(billing: Service) -> None:
    billing.run(PAY)
    billing.run("UPDATE payments SET status = 'succeeded'")
    trail = billing.run(
        "SELECT operation, before ->> 'status', after ->> 'status', changed_by, transaction_id = pg_current_xact_id()"
        " FROM financial_audit_trail WHERE row_id = (SELECT id FROM payments) ORDER BY id"
    )
    assert trail == [
        ("INSERT", None, "pending", billing.user, True),
        ("UPDATE", "pending", "succeeded", billing.user, True),
    ]
    billing.run("DELETE FROM invoice_lines WHERE unit_price < 0")
    assert billing.run(
        "SELECT table_name, before ->> 'unit_price', after FROM financial_audit_trail WHERE operation = 'DELETE'"
    ) == [("invoice_lines", "-500", None)]
    audited = billing.run("SELECT DISTINCT table_name FROM financial_audit_trail ORDER BY 1")
    assert [name for (name,) in audited] == [
        *("customers", "invoice_lines", "invoices", "payments", "plans", "subscriptions"),
    ]


def test_nobody_writes_or_changes_the_trail(billing: Service) -> None:
    changes = (
        "UPDATE financial_audit_trail SET after = NULL",
        "DELETE FROM financial_audit_trail",
        "TRUNCATE financial_audit_trail",
    )
    billing.refused(
        psycopg.errors.InsufficientPrivilege,
        *changes,
        f"INSERT INTO financial_audit_trail (table_name, row_id, operation) VALUES ('x', '{PLAN}', 'INSERT')",
    )
    billing.refused(psycopg.errors.RestrictViolation, *changes, user=ADMIN)


def test_nothing_of_money_is_deleted(billing: Service) -> None:
    kept = ("customers", "plans", "subscriptions", "payments", "provider_events")
    billing.refused(psycopg.errors.InsufficientPrivilege, *(f"DELETE FROM {table}" for table in kept))


def test_a_line_waits_for_an_invoice_that_is_being_issued(copied: Service) -> None:
    open_account(copied)
    line = f"INSERT INTO invoice_lines (invoice_id, description, unit_price) VALUES ('{INVOICE}', 'More', 1)"
    with copied.session(copied.user) as issuing, ThreadPoolExecutor(1) as pool:
        with issuing.transaction():
            issuing.execute(ISSUE.encode())
            late = pool.submit(copied.run, line)
            while not copied.database.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                assert not late.done(), "the line did not wait"
        with pytest.raises(psycopg.errors.RestrictViolation):
            late.result()


def test_queries_use_their_indexes(billing: Service) -> None:
    billing.run("SET LOCAL session_replication_role = replica", user=SUPERUSER)
    for statement in (
        "INSERT INTO customers (id, user_id, email, currency, provider, provider_customer_id)"
        " SELECT md5(n::text)::uuid, md5(n::text)::uuid, n || '@example.org', 'EUR', 'stripe', 'c' || n"
        " FROM generate_series(1, 5000) n",
        "INSERT INTO invoices (id, customer_id, number, status, currency, issued_at, due_at, paid_at)"
        " SELECT md5('i' || n)::uuid, md5((n % 5000 + 1)::text)::uuid, 'N' || n,"
        " CASE WHEN n % 50 = 0 THEN 'open' ELSE 'paid' END, 'EUR', now() - n * interval '1 hour',"
        " now() - n * interval '1 hour' + '14 days', CASE WHEN n % 50 = 0 THEN NULL ELSE now() END"
        " FROM generate_series(1, 20000) n",
        "INSERT INTO invoice_lines (invoice_id, description, unit_price)"
        " SELECT md5('i' || n)::uuid, 'x', 1 FROM generate_series(1, 20000) n",
        "INSERT INTO payments (customer_id, invoice_id, amount, currency, status, idempotency_key, provider,"
        " provider_payment_id, created_at) SELECT md5((n % 5000 + 1)::text)::uuid, md5('i' || n)::uuid, 1, 'EUR',"
        " CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'succeeded' END, md5('k' || n)::uuid, 'stripe', 'p' || n,"
        " now() - n * interval '1 hour' FROM generate_series(1, 20000) n",
        "INSERT INTO provider_events (provider, provider_event_id, kind, payload, processed_at)"
        " SELECT 'stripe', 'e' || n, 'x', '{}', CASE WHEN n % 100 <> 0 THEN now() END FROM generate_series(1, 20000) n",
    ):
        billing.admin(statement)
    billing.admin("ANALYZE")
    customer = "md5('7')::uuid"
    for query, index in (
        (f"SELECT * FROM customers WHERE user_id = {customer}", "customers_user_id_key"),
        (
            "SELECT * FROM customers WHERE provider = 'stripe' AND provider_customer_id = 'c7'",
            "customers_provider_provider_customer_id_key",
        ),
        (
            f"SELECT * FROM invoices WHERE customer_id = {customer} ORDER BY issued_at DESC LIMIT 10",
            "invoices_customer_id_idx",
        ),
        ("SELECT * FROM invoices WHERE status = 'open' AND due_at < now() - interval '700 days'", "invoices_open_idx"),
        ("SELECT * FROM invoice_lines WHERE invoice_id = md5('i7')::uuid", "invoice_lines_invoice_id_idx"),
        (
            "SELECT * FROM payments WHERE provider = 'stripe' AND provider_payment_id = 'p7'",
            "payments_provider_provider_payment_id_key",
        ),
        (
            f"SELECT * FROM payments WHERE customer_id = {customer} ORDER BY created_at DESC LIMIT 10",
            "payments_customer_id_idx",
        ),
        (
            "SELECT * FROM payments WHERE status = 'pending' AND created_at < now() - interval '800 days'",
            "payments_pending_idx",
        ),
        (
            "SELECT * FROM provider_events WHERE processed_at IS NULL ORDER BY created_at LIMIT 10",
            "provider_events_unprocessed_idx",
        ),
    ):
        assert billing.indexes(query) == {index}, query
