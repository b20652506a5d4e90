import json

import pytest


def test_a_tenant_is_created_shown_and_erased(carrel, fake):
    created = carrel("tenants", "create", "Globex")
    assert created.status == 0
    assert "carrel keys create --tenant ten_2" in created.out
    shown = carrel("tenants", "show", "ten_2").out
    assert "name\tGlobex" in shown
    assert "requests per minute\t60" in shown
    erased = carrel("tenants", "delete", "ten_2", "--yes")
    assert erased.status == 0
    assert "3 vectors, 1 originals, 12 rows" in erased.out
    assert "nothing left" in erased.out
    assert list(fake.tenants) == ["ten_1"]


def test_an_erasure_that_takes_longer_is_not_called_done(carrel, fake):
    fake.erasure_status = "leftovers"
    erased = carrel("tenants", "delete", "ten_1", "--yes")
    assert erased.status == 0
    assert "still being erased" in erased.out
    assert "carrel tenants erasures ten_1" in erased.out
    assert "2 vectors\tleftovers" in carrel("tenants", "erasures").out


def test_a_move_is_waited_for_and_says_what_was_compared(carrel, fake):
    fake.move_ends = {
        "status": "done",
        "report": {"documents": 12, "chunks": 3456, "searches_compared": 50},
    }
    moved = carrel("tenants", "move", "ten_1", "--to", "collection")
    assert moved.status == 0
    assert "3,456 chunks of 12 documents; 50 searches came out the same" in moved.out
    assert fake.requests[0][2] == {"isolation": "collection", "server": None}


def test_a_move_that_fails_says_why_and_that_the_tenant_stays(carrel, fake):
    fake.move_ends = {"status": "failed", "error": "2 of 50 searches came out differently"}
    moved = carrel("tenants", "move", "ten_1", "--to", "dedicated", "--server", "eu-1")
    assert moved.status == 1
    assert "stays where it was: 2 of 50 searches" in moved.err


def test_all_pages_of_tenants_are_listed(carrel, fake):
    for name in ("b", "c", "d", "e"):
        fake.add_tenant(name)
    lines = carrel("tenants", "list").out.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["NAME", "acme", "b", "c", "d", "e"]
    listed = json.loads(carrel("tenants", "list", "--json").out)
    assert [tenant["name"] for tenant in listed] == ["acme", "b", "c", "d", "e"]


def test_deleting_without_yes_and_nobody_to_ask_deletes_nothing(carrel, fake, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    result = carrel("tenants", "delete", "ten_1")
    assert result.status == 2
    assert "--yes" in result.err
    assert "ten_1" in fake.tenants


def test_an_unknown_tenant_is_said_to_be_unknown(carrel):
    result = carrel("tenants", "show", "ten_9")
    assert result.status == 1
    assert "no such tenant" in result.err
    assert "carrel tenants list" in result.err


def test_a_new_keys_secret_is_all_that_stdout_holds(carrel, fake):
    result = carrel(
        *("keys", "create", "--tenant", "ten_1", "--name", "ci"),
        *("--scope", "query", "--scope", "search", "--expires-in", "30d"),
    )
    assert result.out == "crl_2_secret\n"
    assert "once" in result.err
    _, path, body = fake.requests[-1]
    assert path == "/admin/tenants/ten_1/keys"
    assert (body["name"], body["scopes"]) == ("ci", ["query", "search"])
    assert body["expires_at"].endswith("+00:00")


def test_listed_keys_have_no_secret(carrel):
    assert "secret" not in carrel("keys", "list", "--tenant", "ten_1").out
    assert "secret" not in carrel("keys", "list", "--tenant", "ten_1", "--json").out


def test_a_key_is_revoked(carrel, fake):
    assert carrel("keys", "revoke", "key_1").status == 0
    assert fake.keys == {}


@pytest.mark.parametrize("time", ["soon", "30"])
def test_an_expiry_that_is_none_is_wrong_usage(carrel, fake, time):
    assert carrel("keys", "create", "--tenant", "ten_1", "--expires-in", time).status == 2
    assert fake.requests == []


LIMIT_OPTIONS = ("--requests-per-minute", "60", "--tokens-per-minute", "none")
SENT_LIMITS = {"requests_per_minute": 60, "tokens_per_minute": None}


def test_a_tenants_limits_and_budget_are_set_by_options(carrel, fake):
    result = carrel(*("tenants", "set", "ten_1"), *LIMIT_OPTIONS, "--budget", "5.50/day")
    assert result.status == 0
    assert "budget\t$5.50 a day" in result.out
    budget = {"usd": "5.50", "period": "day", "on_outage": "refuse"}
    sent = ("PATCH", "/admin/tenants/ten_1", {"limits": SENT_LIMITS, "budget": budget})
    assert fake.requests[-1] == sent
    assert (
        carrel("tenants", "set", "ten_1", "--budget", "none", "--status", "suspended").status == 0
    )
    assert fake.requests[-1][2] == {"budget": None, "status": "suspended"}


def test_a_keys_limits_and_budget_are_set_by_the_same_options(carrel, fake):
    options = ("--budget", "9/month", "--on-outage", "allow", "--concurrent-requests", "3")
    budget = {"usd": "9", "period": "month", "on_outage": "allow"}
    body = {"limits": {"concurrent_requests": 3}, "budget": budget}
    result = carrel("keys", "create", "--tenant", "ten_1", "--group", "hr", *options)
    assert result.status == 0
    assert fake.requests[-1][2] == {**body, "groups": ["hr"]}
    assert carrel("keys", "set", "key_1", *options).status == 0
    assert fake.requests[-1] == ("PATCH", "/admin/keys/key_1", body)


@pytest.mark.parametrize(
    "options",
    [
        ("--budget", "5"),
        ("--budget", "5/year"),
        ("--budget", "-5/day"),
        ("--budget", "5.1234567/day"),
        ("--budget", "5/day", "--on-outage", "maybe"),
        ("--on-outage", "allow"),
        ("--requests-per-minute", "0"),
        ("--requests-per-minute", "many"),
        ("--requests-per-minute", "9" * 5000),
        (),
    ],
    ids=lambda each: " ".join(each)[:40],
)
def test_limits_and_budgets_that_are_none_are_wrong_usage(carrel, fake, options):
    for command in (("tenants", "set", "ten_1"), ("keys", "set", "key_1")):
        assert carrel(*command, *options).status == 2
    assert fake.requests == []


def test_a_rotated_keys_secret_is_all_that_stdout_holds(carrel, fake):
    result = carrel("keys", "rotate", "key_1", "--overlap", "2h")
    assert result.out == "crl_2_secret\n"
    assert "key_1, is refused in 7,200 s" in result.err
    assert fake.requests[-1] == ("POST", "/admin/keys/key_1/rotate", {"overlap_seconds": 7200})
    assert "from now on" in carrel("keys", "rotate", "key_1", "--overlap", "0").err
    assert carrel("keys", "rotate", "key_1", "--overlap", "soon").status == 2


def test_what_administrators_did_is_shown(carrel, fake):
    result = carrel("audit", "--tenant", "ten_1", "--limit", "5")
    assert "2026-11-01 00:00:00\tkey.rotate\tkey_1\tkey_environment" in result.out
    assert fake.requests[-1][1] == "/admin/audit?limit=5&tenant_id=ten_1"
