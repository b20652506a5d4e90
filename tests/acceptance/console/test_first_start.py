"""The first start: a server without tenants, and a person with its admin key."""

import re

from playwright.sync_api import Page, expect
from tests.acceptance.console.browser import Watch, sign_in
from tests.acceptance.console.stage import Api
from tests.acceptance.console.upstream import Upstream
from tests.acceptance.server import ADMIN_KEY, Server


def test_a_wrong_key_is_refused_in_words(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/console/tenants")
    expect(page.get_by_label("API key")).to_be_focused()
    page.get_by_label("API key").fill("crl_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not a valid API key")
    expect(page.get_by_role("navigation")).to_have_count(0)


def test_the_set_up_leads_from_nothing_to_an_answer_and_a_key(
    page: Page, watch: Watch, server: Server, upstream: Upstream
) -> None:
    upstream.text = "Customers can return goods within 30 days of delivery [1]."
    sign_in(page, server.url, ADMIN_KEY)
    expect(page.get_by_role("heading", name="Set up")).to_be_visible()
    page.get_by_label("Name").fill("Acme")
    page.get_by_role("button", name="Make tenant").click()
    page.get_by_role("button", name="Use a sample document").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("within 30 days of delivery")).to_be_visible()
    page.get_by_role("button", name="Source 1").first.click()
    expect(page.locator("mark")).to_contain_text("within 30 days of delivery")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Make a key").click()
    secret = page.get_by_test_id("secret").inner_text()
    assert re.fullmatch(r"crl_[0-9A-Za-z]{49}", secret)
    page.get_by_role("link", name="the tenant’s page").click()
    expect(page.get_by_role("heading", name="Acme")).to_be_visible()
    assert secret not in page.content()
    assert all(url.startswith(server.url) for url in watch.requests)


def test_the_keys_never_reach_the_pages_scripts(page: Page, server: Server, api: Api) -> None:
    sign_in(page, server.url, ADMIN_KEY)
    assert page.evaluate("document.cookie") == ""
    [cookie] = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert ADMIN_KEY not in page.content() + str(cookie)


def test_a_page_is_painted_without_another_request(
    page: Page, watch: Watch, server: Server
) -> None:
    """What is shown first needs the page, its script and its styles, and no more."""
    sign_in(page, server.url, ADMIN_KEY)
    page.route("**/admin/**", lambda route: route.abort())
    page.route("**/v1/**", lambda route: route.abort())
    watch.requests.clear()
    page.goto(f"{server.url}/console/tenants")
    expect(page.get_by_role("heading", name="Tenants")).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_visible()
    own = {url for url in watch.requests if "/admin/" not in url}
    assert len(own) <= 4, own  # and the icon
    watch.faults.clear()  # requests that this test had refused


def test_signing_out_ends_the_session_in_this_browser(page: Page, server: Server) -> None:
    sign_in(page, server.url, ADMIN_KEY)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.context.cookies() == []
    page.goto(f"{server.url}/console/tenants")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_session_that_ended_asks_to_sign_in_again(page: Page, server: Server, api: Api) -> None:
    key = api.key_of(api.tenant("Hooli"))
    sign_in(page, server.url, key.key)
    tenant = next(each for each in api.get("/admin/tenants")["data"] if each["name"] == "Hooli")
    [listed] = api.get(f"/admin/tenants/{tenant['id']}/keys")["data"]
    api.call("DELETE", f"/admin/keys/{listed['id']}")
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
