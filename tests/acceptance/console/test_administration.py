"""An administrator's pages: tenants, keys, usage, operations; and who does not see them."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.acceptance.console.browser import new_page, sign_in
from tests.acceptance.console.stage import HANDBOOK, Api, Spent, spend
from tests.acceptance.console.upstream import Upstream
from tests.acceptance.server import ADMIN_KEY, Server

# Each with something that is there once it has loaded.
PAGES = {
    "/playground": "Compare with cache bypassed",
    "/documents": "Staff handbook",
    "/documents/handbook": "#1",
    "/tenants": "Acme",
    "/usage": "Tokens by day",
    "/operations": "/admin/tenants/{tenant_id}/keys",
    "/audit": "tenant.create",
    "/setup": "Add a document",
}


@pytest.fixture(scope="module")
def acme(api: Api) -> dict[str, Any]:
    """A tenant with a document, a key, a budget, and usage of three days: $6, $3 and $1.50."""
    tenant = api.tenant("Acme", budget={"usd": "1000", "period": "month"})
    api.key_of(tenant).document("handbook", HANDBOOK, title="Staff handbook")
    days = ((0, 6), (1, 3), (2, 1.5))
    spend(
        api.server,
        [
            Spent(tenant["id"], day, 4, int(cost * 1_000_000 / 3), hits=1, saved_micro_usd=500_000)
            for day, cost in days
        ],
    )
    return tenant


@pytest.fixture
def admin(page: Page, server: Server, acme: dict[str, Any]) -> Page:
    sign_in(page, server.url, ADMIN_KEY)
    return page


def test_a_tenant_is_made_changed_suspended_and_erased(admin: Page, api: Api) -> None:
    admin.get_by_role("link", name="Tenants").click()
    admin.get_by_role("button", name="New tenant").click()
    form = admin.get_by_role("dialog")
    form.get_by_label("Name").fill("Umbrella")
    form.get_by_label("Requests a minute").fill("120")
    form.get_by_label("US dollars").fill("25")
    form.get_by_role("button", name="Make tenant").click()
    expect(admin.get_by_role("heading", name="Umbrella")).to_be_visible()
    facts = admin.locator(".facts").first
    expect(facts).to_contain_text("120 requests/min")
    expect(facts).to_contain_text("$25.00 a month")

    admin.get_by_role("button", name="Change", exact=True).first.click()
    form.get_by_label("Requests a minute").fill("")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(facts).not_to_contain_text("120 requests")

    admin.get_by_role("button", name="Suspend").click()
    form.get_by_role("button", name="Suspend").click()
    expect(facts).to_contain_text("suspended")
    assert _tenant(api, "Umbrella")["status"] == "suspended"

    admin.get_by_role("button", name="Erase").click()
    sure = form.get_by_role("button", name="Erase for ever")
    expect(sure).to_be_disabled()
    form.get_by_label("Type Umbrella to confirm").fill("Umbrella")
    sure.click()
    expect(admin.get_by_role("heading", name="Operations")).to_be_visible()
    expect(admin.get_by_role("region", name="Erasures")).to_contain_text("done")


def test_what_was_given_up_and_what_failed_is_listed(
    admin: Page, server: Server, api: Api, upstream: Upstream
) -> None:
    unlucky = api.key_of(api.tenant("Unlucky"))
    unlucky.document("handbook", HANDBOOK)
    error = unlucky.upload("scan", "scan.pdf", b"%PDF-1.7 broken")["error"]
    upstream.status = 500
    try:
        asked = {"question": "How long do refunds take?"}
        status = unlucky.status_of("POST", "/v1/query", asked)
    finally:
        upstream.status = 200
    assert status >= 500

    admin.goto(f"{server.url}/console/operations")
    given_up = (
        admin.get_by_role("region", name="given up").get_by_role("row").filter(has_text="scan")
    )
    expect(given_up).to_contain_text(error)
    expect(given_up).to_contain_text("Unlucky")
    with admin.expect_response(re.compile("/retry$")) as retried:
        given_up.get_by_role("button", name="Try again").click()
    assert retried.value.status == 202
    failed = admin.get_by_role("region", name="Requests that failed").get_by_role("row")
    expect(failed.filter(has_text="/v1/query")).to_contain_text(f"{status}")
    expect(failed.filter(has_text="/v1/query")).to_contain_text("Unlucky")


def test_what_the_server_refuses_is_said_beside_the_form(admin: Page) -> None:
    admin.get_by_role("link", name="Tenants").click()
    admin.get_by_role("button", name="New tenant").click()
    form = admin.get_by_role("dialog")
    form.get_by_label("Name").fill("Nowhere")
    form.get_by_label("Isolation").select_option("dedicated")
    form.get_by_label("Server").fill("absent")
    form.get_by_role("button", name="Make tenant").click()
    expect(form.get_by_role("alert")).to_contain_text("CARREL_QDRANT_SERVERS")


def test_a_keys_secret_is_shown_once(
    admin: Page, acme: dict[str, Any], server: Server, api: Api
) -> None:
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin.goto(f"{server.url}/console/tenants/{acme['id']}")
    admin.get_by_role("button", name="New key").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Name").fill("mobile app")
    dialog.get_by_label("documents:write").uncheck()
    dialog.get_by_role("button", name="Make key").click()
    secret = admin.get_by_test_id("secret").inner_text()
    admin.get_by_role("button", name="Copy key").click()
    expect(admin.get_by_text("Copied", exact=True)).to_be_visible()
    assert admin.evaluate("navigator.clipboard.readText()") == secret
    admin.get_by_role("button", name="I have copied it").click()
    row = admin.get_by_role("row").filter(has_text="mobile app")
    expect(row).to_contain_text("query, search")
    assert secret not in admin.content()
    admin.reload()
    expect(row).to_be_visible()
    assert secret not in admin.content()

    made = Api(api.playwright, server, secret)
    assert made.get("/v1/documents")["data"]
    row.get_by_role("button", name="Rotate").click()
    dialog.get_by_role("button", name="Rotate").click()
    expect(admin.get_by_test_id("secret")).not_to_have_text(secret)
    admin.get_by_role("button", name="I have copied it").click()
    rows = admin.get_by_role("row").filter(has_text="mobile app")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(rows).to_have_count(1)


def test_a_tenant_is_moved_to_another_tier(admin: Page, server: Server, api: Api) -> None:
    tenant = api.tenant("Mover")
    admin.goto(f"{server.url}/console/tenants/{tenant['id']}")
    admin.get_by_role("button", name="Move").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Isolation").select_option("collection")
    dialog.get_by_role("button", name="Move").click()
    expect(admin.get_by_role("region", name="Moves")).to_contain_text(
        re.compile("queued|copying|switching|clearing|done")
    )


def test_an_administrator_opens_a_desk_with_a_key_that_ends_with_the_session(
    admin: Page, acme: dict[str, Any], api: Api
) -> None:
    admin.get_by_role("link", name="Playground").click()
    expect(admin.get_by_text("No desk is open")).to_be_visible()
    admin.get_by_role("button", name="Open a desk").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Tenant").select_option("Acme")
    dialog.get_by_role("button", name="Open desk").click()
    admin.get_by_label("Question").fill("How long do refunds take?")
    admin.get_by_role("button", name="Ask", exact=True).click()
    expect(admin.get_by_text("Whole answer")).to_be_visible()
    admin.get_by_role("link", name="Audit log").click()
    expect(admin.get_by_role("row").filter(has_text="console").first).to_contain_text("key.create")
    keys = f"/admin/tenants/{acme['id']}/keys"
    assert "console" in {each["name"] for each in api.get(keys)["data"]}
    admin.get_by_role("button", name="Sign out").click()
    expect(admin.get_by_label("API key")).to_be_visible()
    assert "console" not in {each["name"] for each in api.get(keys)["data"]}


def test_usage_is_drawn_listed_and_saved_with_its_numbers(
    admin: Page, acme: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    admin.goto(f"{server.url}/console/usage?tenant={acme['id']}")
    expect(admin.locator(".figures.large")).to_contain_text("$10.50")
    expect(admin.locator(".figures.large")).to_contain_text("$1.50")
    cost = admin.get_by_role("figure", name="Cost by day")
    bars = cost.locator(".bar")
    expect(bars).to_have_count(30)
    drawn = [round(float(bar.get_attribute("data-total") or 0), 2) for bar in bars.all()]
    assert drawn[-3:] == [1.5, 3, 6]
    assert not any(drawn[:-3])
    heights = [float(bar.locator(".part").get_attribute("height") or 0) for bar in bars.all()[-3:]]
    assert heights[1] / heights[2] == pytest.approx(0.5, abs=0.01)  # the axis begins at zero
    assert heights[0] / heights[2] == pytest.approx(0.25, abs=0.01)
    expect(cost.locator(".tick").first).to_have_text("$0")

    cost.get_by_role("button", name="Table").click()
    shown = [cell.inner_text() for cell in cost.locator("tbody td.number").all()]
    assert [round(float(each), 2) for each in shown] == [1.5, 3, 6]
    with admin.expect_download() as download:
        cost.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "cost.csv")
    rows = list(csv.reader((tmp_path / "cost.csv").read_text().splitlines()))
    assert rows[0] == ["day", "USD"]
    assert [round(float(row[1]), 2) for row in rows[1:]] == [1.5, 3, 6]


def test_usage_says_how_long_answers_take(admin: Page, api: Api) -> None:
    key = api.key_of(api.tenant("Patient"))
    key.document("handbook", HANDBOOK)
    key.post("/v1/query", {"question": "How long do refunds take?"})
    admin.get_by_role("link", name="Usage").click()
    rows = admin.get_by_role("region", name="Latency").get_by_role("row")
    for name in ("Search", "First token", "Whole answer"):
        expect(rows.filter(has_text=name).first).to_contain_text(re.compile("(≤|>) .*s"))


def test_a_budget_shows_when_it_is_used_up(admin: Page, server: Server, api: Api) -> None:
    tenant = api.tenant("Spender", budget={"usd": "10", "period": "day"})
    spend(server, [Spent(tenant["id"], 0, 2, 5_500_000)])
    admin.goto(f"{server.url}/console/usage?tenant={tenant['id']}")
    expect(admin.get_by_text("$11.00 of $10.00 spent this day: it is used up")).to_be_visible()


def test_operations_show_every_part(admin: Page) -> None:
    admin.get_by_role("link", name="Operations").click()
    facts = admin.locator(".facts")
    for part in ("Database", "Vectors", "Embedder", "Redis"):
        expect(facts).to_contain_text(part)
    expect(admin.get_by_role("region", name="Requests by route")).to_contain_text("/admin/tenants")


def test_isolation_is_checked_on_a_button(admin: Page, api: Api) -> None:
    admin.get_by_role("link", name="Operations").click()
    servers = admin.get_by_role("region", name="API processes")
    expect(servers.get_by_role("row").filter(has_text="answered this")).to_have_count(1)
    admin.get_by_role("button", name="Check isolation").click()
    expect(admin.get_by_role("button", name="Attacking")).to_be_disabled()
    expect(admin.get_by_text("so far, none got through")).to_be_visible(timeout=30_000)
    expect(admin.get_by_text("attacks, none got through")).to_be_visible(timeout=120_000)
    admin.locator("summary").filter(has_text="What was tried").click()
    attacks = admin.get_by_role("region", name="Attacks").get_by_role("row")
    expect(attacks.filter(has_text="held").nth(8)).to_be_visible()
    expect(attacks.filter(has_text="broken")).to_have_count(0)
    names = [each["name"] for each in api.get("/admin/tenants")["data"]]
    assert not [name for name in names if name.startswith("verify-isolation")]


def test_a_tenants_cache_is_emptied(admin: Page, server: Server, api: Api) -> None:
    tenant = api.tenant("Forgetful")
    key = api.key_of(tenant)
    key.document("handbook", HANDBOOK)
    question = {"question": "How long do refunds take?"}
    seen = [key.post("/v1/query", question)["cache"]["status"] for _ in range(2)]
    assert seen == ["miss", "exact"]
    admin.goto(f"{server.url}/console/tenants/{tenant['id']}")
    admin.get_by_role("button", name="Empty", exact=True).click()
    expect(admin.get_by_role("button", name="Emptied")).to_be_visible()
    assert key.post("/v1/query", question)["cache"]["status"] == "miss"


def test_a_tenants_key_sees_no_admin_page(
    page: Page, server: Server, acme: dict[str, Any], api: Api
) -> None:
    sign_in(page, server.url, api.key_of(acme).key)
    links = page.get_by_role("navigation").get_by_role("link")
    assert links.all_inner_texts() == ["Playground", "Documents", "Usage"]
    for path in ("/tenants", f"/tenants/{acme['id']}", "/operations", "/audit", "/setup"):
        page.goto(f"{server.url}/console{path}")
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.goto(f"{server.url}/console/usage")
    expect(page.locator(".figures.large")).to_contain_text("$10.50")
    assert page.get_by_label("Tenant").count() == 0


def test_a_key_that_may_only_ask_is_offered_no_more(
    page: Page, server: Server, acme: dict[str, Any], api: Api
) -> None:
    sign_in(page, server.url, api.key_of(acme, scopes=["query"]).key)
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Playground"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_axe(
    browser: Browser, server: Server, acme: dict[str, Any], axe: str, scheme: Any
) -> None:
    """No violation of any weight, of WCAG 2.2 A and AA and of axe's best practices."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page, watch = new_page(context, server.url)
    found: list[str] = []

    def check(what: str) -> None:
        page.evaluate(axe)
        told = page.evaluate(
            "only => axe.run({resultTypes: ['violations'], ...(only && {runOnly: only})})",
            # In the dark, nothing but the colours is another.
            ["color-contrast"] if scheme == "dark" else None,
        )
        found.extend(
            f"{what}: {each['impact']} {each['id']}: {each['nodes'][0]['html'][:160]}"
            for each in told["violations"]
        )

    page.goto(f"{server.url}/console")
    check("sign-in")
    sign_in(page, server.url, ADMIN_KEY)
    page.goto(f"{server.url}/console/tenants/{acme['id']}")
    page.get_by_role("button", name="Open desk").click()
    page.get_by_label("Question").fill("How long do refunds take?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Whole answer")).to_be_visible()
    check("an answer")
    page.get_by_role("button", name="Source 1").first.click()
    expect(page.locator("mark")).to_be_visible()
    check("a passage")
    for path, sign in {**PAGES, f"/tenants/{acme['id']}": "web shop"}.items():
        page.goto(f"{server.url}/console{path}")
        page.locator("main").get_by_text(sign).first.wait_for()
        check(path)
    page.goto(f"{server.url}/console/tenants")
    page.get_by_role("button", name="New tenant").click()
    check("a dialog")
    context.close()
    assert not found
    assert not watch.faults


def test_pages_fit_a_phone(browser: Browser, server: Server, acme: dict[str, Any]) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page, watch = new_page(context, server.url)
    sign_in(page, server.url, ADMIN_KEY)
    page.goto(f"{server.url}/console/tenants/{acme['id']}")
    page.get_by_role("button", name="Open desk").click()
    page.get_by_role("button", name="Ask", exact=True).wait_for()
    for path, sign in {**PAGES, f"/tenants/{acme['id']}": "web shop"}.items():
        page.goto(f"{server.url}/console{path}")
        page.locator("main").get_by_text(sign).first.wait_for()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{path} is {width} pixels wide"
    context.close()
    assert not watch.faults


def test_the_keyboard_reaches_everything(admin: Page) -> None:
    admin.goto(admin.url.partition("/console")[0] + "/console/tenants")
    admin.get_by_role("heading", name="Tenants").wait_for()
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("link", name="Skip to content")).to_be_focused()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("button", name="New tenant")).to_be_focused()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    admin.keyboard.press("Escape")
    expect(admin.get_by_role("dialog")).to_have_count(0)
    expect(admin.get_by_role("button", name="New tenant")).to_be_focused()


def _tenant(api: Api, name: str) -> dict[str, Any]:
    return next(each for each in api.get("/admin/tenants")["data"] if each["name"] == name)
