"""`trellis:monitoring`: the machine that watches a stack, and how it tells people."""

import json

import pytest

from tests.settings.conftest import Load
from trellis.settings import SettingsError

HOOK = {"webhook": "https://hooks.your-company.com/secret"}
MAIL = {"smtp": "smtp.your-company.com:587", "from": "alerts@your-company.com"}


def test_a_stack_without_it_has_none_and_one_with_it_pays_for_it(load: Load) -> None:
    assert load().monitoring is None
    assert load(monitoring="{}").monitoring is None
    asked = load(monitoring=json.dumps({**HOOK, **MAIL, "user": "alerts", "password": "123456"})).monitoring
    assert asked is not None
    assert (asked.size, asked.from_, asked.password) == ("s-1vcpu-1gb", MAIL["from"], "123456")
    assert not any(secret in repr(asked) for secret in ("secret", "123456"))
    (note,) = load(monitoring=json.dumps({**MAIL})).notes
    assert "no Droplet of most accounts out to port 587" in note
    assert load(monitoring=json.dumps({**MAIL, "smtp": "smtp.your-company.com:2525"})).notes == ()
    larger = load(monitoring=json.dumps({**HOOK, "size": "s-1vcpu-2gb"}))
    assert larger.monthly_usd == load().monthly_usd + 12


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"size": "s-1vcpu-1gb"}, "monitoring: nobody would be told. Give `smtp` with `from`, or `webhook`."),
        ({"smtp": MAIL["smtp"]}, "monitoring: `smtp` needs `from`, the address that the mails come from."),
        ({**MAIL, "smtp": "smtp.your-company.com"}, "monitoring.smtp: 'smtp.your-company.com' is not HOST:PORT"),
        ({**MAIL, "user": "alerts"}, "monitoring: `user` and `password` of the mail server belong together."),
        ({"webhook": "hooks.your-company.com/secret"}, "monitoring.webhook: this is no address that begins with"),
        ({**HOOK, "size": "s-1"}, "monitoring.size: 's-1' is no Droplet size. Allowed: s-1vcpu-1gb, s-1vcpu-2gb,"),
        ({**HOOK, "slack": "x"}, "slack: unknown key. Allowed here: size, smtp, from, user, password, webhook."),
    ],
)
def test_a_machine_that_would_tell_nobody(asked: dict[str, str], said: str, load: Load) -> None:
    with pytest.raises(SettingsError) as error:
        load(monitoring=json.dumps(asked))
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_mails_need_somebody_in_development_too(load: Load) -> None:
    nobody = ("alerts:\n  emails: [ops@shop.dev]\n", "")
    with pytest.raises(SettingsError, match="nobody has the role 'on-call', so alerts would reach nobody"):
        load(nobody, environment="development", monitoring=json.dumps(MAIL))
    load(nobody, environment="development", monitoring=json.dumps(HOOK))
