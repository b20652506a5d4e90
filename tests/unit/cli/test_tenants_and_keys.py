import json

import pytest


def test_a_tenant_is_created_shown_and_erased(carrel, fake):
    created = carrel("tenants", "create", "Globex")
    assert created.status == 0
    assert "carrel keys create --tenant ten_2" in created.out
    shown = carrel("tenants", "show", "ten_2").out
    assert "name\tGlobex" in shown
    assert "requests per minute\t60" in shown
    assert carrel("tenants", "delete", "ten_2", "--yes").status == 0
    assert list(fake.tenants) == ["ten_1"]


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
