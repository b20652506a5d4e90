"""What is kept is one tenant's, of one sight, and never of an old corpus."""

from typing import Any

import pytest
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import Api, Tenant, new_tenant

QUESTION = question_about("refunds")


@pytest.fixture
async def both(api: Api) -> tuple[Tenant, Tenant]:
    """Two tenants with documents of the same names, asked the same question once."""
    tenants = (await new_tenant(api), await new_tenant(api))
    for tenant in tenants:
        await tenant.upload("policy", text_about("refunds", tenant.canary))
        first = await answer(tenant)
        assert first["cache"]["status"] == "miss"
        assert (await answer(tenant))["id"] == first["id"]
    return tenants


async def answer(tenant: Tenant) -> dict[str, Any]:
    reply = await tenant.ask(QUESTION)
    assert reply.status == 200
    assert f"says {tenant.canary}" in reply.text
    return reply.json


async def test_each_tenant_is_given_its_own_answer_again(both: tuple[Tenant, Tenant]) -> None:
    ours, theirs = [await answer(tenant) for tenant in both]
    assert ours["cache"]["status"] == theirs["cache"]["status"] == "exact"
    assert ours["id"] != theirs["id"]


async def test_each_tenant_is_given_its_own_passages_again(both: tuple[Tenant, Tenant]) -> None:
    for tenant in (*both, *both):
        assert tenant.canary in (await tenant.search(QUESTION)).text


@pytest.mark.parametrize("first", [0, 1])
async def test_one_tenants_change_is_its_own(both: tuple[Tenant, Tenant], first: int) -> None:
    ours, theirs = both[first], both[1 - first]
    await ours.upload("policy", f"All requests about refunds take ninety days, says {ours.canary}.")
    for _ in range(2):
        assert "ninety days" in (await answer(ours))["answer"]
        assert "ninety days" in (await ours.search(QUESTION)).text
    assert (await answer(theirs))["cache"]["status"] == "exact"


async def test_nobody_says_what_another_tenants_answer_was_worth(
    both: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = both
    kept = await answer(ours)
    body = {"id": kept["id"], "rating": "negative"}
    assert (await theirs.call("POST", "/v1/feedback", body=body)).status == 204
    assert (await answer(ours))["cache"]["status"] == "exact"
    assert (await ours.call("POST", "/v1/feedback", body=body)).status == 204
    assert (await answer(ours))["cache"]["status"] == "miss"


async def test_clearing_one_tenants_answers_leaves_the_others(
    api: Api, both: tuple[Tenant, Tenant]
) -> None:
    ours, theirs = both
    assert (await api.administer("DELETE", f"tenants/{ours.id}/cache")).status == 204
    assert (await answer(theirs))["cache"]["status"] == "exact"
    assert (await answer(ours))["cache"]["status"] == "miss"


async def test_what_one_group_was_shown_is_not_shown_to_another(api: Api) -> None:
    tenant = await new_tenant(api)
    red, blue = await tenant.in_groups("red"), await tenant.in_groups("blue")
    await red.upload("policy", text_about("refunds", tenant.canary), groups=["red"])
    for _ in range(2):
        assert tenant.canary in (await red.ask(QUESTION)).text
        assert tenant.canary in (await red.search(QUESTION)).text
        for other in (blue, tenant):
            assert tenant.canary not in (await other.ask(QUESTION)).text
            assert tenant.canary not in (await other.search(QUESTION)).text


async def test_a_group_that_is_taken_away_is_not_shown_what_was_kept(api: Api) -> None:
    tenant = await new_tenant(api)
    red, both = await tenant.in_groups("red"), await tenant.in_groups("red", "blue")
    text = text_about("refunds", tenant.canary)
    await both.upload("policy", text, groups=["red", "blue"])
    assert tenant.canary in (await red.ask(QUESTION)).text
    assert tenant.canary in (await red.search(QUESTION)).text
    # Not waited for: what is taken away is so at once.
    assert (await both.upload("policy", text, wait=0, groups=["blue"])).status == 202
    assert tenant.canary not in (await red.ask(QUESTION)).text
    assert tenant.canary not in (await red.search(QUESTION)).text


async def test_a_deleted_document_is_in_nothing_that_was_kept(api: Api) -> None:
    tenant = await new_tenant(api)
    await tenant.upload("policy", text_about("refunds", tenant.canary))
    assert tenant.canary in (await tenant.ask(QUESTION)).text
    assert tenant.canary in (await tenant.search(QUESTION)).text
    assert (await tenant.call("DELETE", "/v1/documents/policy")).status == 204
    assert tenant.canary not in (await tenant.ask(QUESTION)).text
    assert tenant.canary not in (await tenant.search(QUESTION)).text
    assert api.services.answers is not None
    assert await api.services.answers.count(tenant.id) == 0
