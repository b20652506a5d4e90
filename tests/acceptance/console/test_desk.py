"""A tenant's desk: documents go in, answers come out, and nothing of them runs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.acceptance.console.browser import sign_in
from tests.acceptance.console.stage import HANDBOOK, Api
from tests.acceptance.console.upstream import Upstream
from tests.acceptance.server import Server

SAMPLES = Path(__file__).parents[2] / "samples"
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(scope="module")
def acme(api: Api) -> Api:
    key = api.key_of(api.tenant("Acme"), groups=["hr"])
    key.document("handbook", HANDBOOK, title="Staff handbook")
    return key


@pytest.fixture
def desk(page: Page, server: Server, acme: Api) -> Page:
    sign_in(page, server.url, acme.key)
    return page


@pytest.fixture(autouse=True)
def calm(upstream: Upstream) -> Iterator[None]:
    yield
    upstream.text, upstream.pause_seconds = "Refunds take 30 days [1].", 0


def ask(page: Page, question: str = "How long do refunds take?") -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_label("Question").press("Enter")


def test_an_answer_is_read_while_it_is_written(desk: Page, upstream: Upstream) -> None:
    upstream.text = "Refunds are **paid** within 30 days [1]. " + "Word " * 40 + "end."
    upstream.pause_seconds = 0.05
    ask(desk)
    answer = desk.locator(".answer-text")
    expect(answer).to_contain_text("paid within 30 days")
    assert "end." not in answer.inner_text()
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(answer).to_contain_text("end.")
    expect(answer.locator("strong")).to_have_text("paid")
    figures = desk.locator(".figures")
    expect(figures).to_contain_text("100 in")
    expect(figures).to_contain_text("Cost")
    expect(figures).to_contain_text("miss")


def test_an_answer_whose_connection_broke_is_read_on(
    desk: Page, acme: Api, upstream: Upstream
) -> None:
    upstream.text = "Refunds are paid within 30 days [1]. " + "Word " * 20 + "end."
    question = {"question": "How long until refunds are paid?", "stream": True, "cache": "bypass"}
    head = {"authorization": f"Bearer {acme.key}"}
    asked = desk.request.post(f"{acme.server.url}/v1/query", data=question, headers=head)
    events = asked.text().split("\n\n")
    first = {
        "headers": {
            "content-type": "text/event-stream",
            "x-answer-id": asked.headers["x-answer-id"],
        },
        "body": "\n\n".join(events[:3]) + "\n\n",
    }
    desk.route("**/v1/query", lambda route: route.fulfill(**first))
    tries: list[str | None] = []

    def resume(route: Route) -> None:
        tries.append(route.request.headers.get("last-event-id"))
        if len(tries) == 1:
            expect(desk.locator(".answer-text")).to_contain_text("The connection was lost.")
            route.abort()
        else:
            route.continue_()

    desk.route("**/v1/query/*/events", resume)
    ask(desk)
    answer = desk.locator(".answer-text")
    expect(answer).to_have_text(re.compile(r"^Refunds are paid.*(Word ){20}end\.$"))
    assert tries == [events[2].split("\n")[0].removeprefix("id: ")] * 2


def test_a_citation_opens_its_passage_with_what_was_cited_marked(desk: Page, acme: Api) -> None:
    ask(desk)
    desk.get_by_role("button", name="Source 1").first.click()
    panel = desk.get_by_role("dialog", name="Staff handbook")
    expect(panel.locator("mark")).to_have_text("Refunds are paid within 30 days of the return.")
    expect(panel).to_contain_text("28 days of paid leave")
    desk.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(desk.get_by_role("button", name="Source 1").first).to_be_focused()


def test_a_citation_in_a_pdf_shows_its_page(page: Page, server: Server, api: Api) -> None:
    key = api.key_of(api.tenant("Pdf"))
    sign_in(page, server.url, key.key)
    page.get_by_role("link", name="Documents").click()
    page.set_input_files("input[type=file]", SAMPLES / "handbook.pdf")
    uploads = page.get_by_role("list", name="Uploads")
    expect(uploads).to_contain_text("ready", timeout=60_000)
    page.get_by_role("link", name="Playground").click()
    ask(page, "How long do refunds take?")
    page.get_by_role("button", name="Source 1").first.click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("page 1")
    expect(panel).not_to_contain_text("paid leave")  # which is on page 2


def test_an_answer_is_compared_with_the_cache_bypassed(desk: Page) -> None:
    desk.get_by_label("Question").fill("How long do refunds take?")
    desk.get_by_role("button", name="Compare").click()
    for title in ("Cache used", "Cache bypassed"):
        expect(desk.get_by_role("heading", name=title)).to_be_visible()
    expect(desk.get_by_text("Whole answer")).to_have_count(2)


def test_stages_are_timed_and_an_answer_called_bad_is_written_anew(
    desk: Page, acme: Api, upstream: Upstream
) -> None:
    upstream.pause_seconds = 0.02
    question = "How long may a refund take at most?"
    ask(desk, question)
    figures = desk.locator(".figures")
    for name in ("Searched", "Written", "Whole answer"):
        expect(figures).to_contain_text(name)
    assert acme.post("/v1/query", {"question": question})["cache"]["status"] == "exact"
    bad = desk.get_by_role("button", name="Bad answer")
    bad.click()
    expect(desk.get_by_text("Thank you.")).to_be_visible()
    expect(bad).to_have_attribute("aria-pressed", "true")
    assert acme.post("/v1/query", {"question": question})["cache"]["status"] == "miss"


def test_a_question_is_copied_as_code(desk: Page, server: Server) -> None:
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(desk, 'What\'s "new"?')
    for label, expected in (("curl", f"curl {server.url}/v1/query"), ("Python", "import httpx")):
        desk.get_by_role("button", name=f"Copy as {label}").click()
        expect(desk.get_by_text("Copied", exact=True)).to_be_visible()
        copied = desk.evaluate("navigator.clipboard.readText()")
        assert expected in copied
        assert "CARREL_API_KEY" in copied
        assert "crl_" not in copied
        expect(desk.get_by_text("Copied", exact=True)).to_have_count(0)  # it is said for a while


def test_a_stopped_answer_says_so(desk: Page, upstream: Upstream) -> None:
    upstream.text, upstream.pause_seconds = "Word " * 400, 0.05
    ask(desk, "How long do the refunds take?")  # none that was answered before
    expect(desk.locator(".answer-text")).to_contain_text("Word")
    desk.get_by_role("button", name="Stop").click()
    expect(desk.get_by_text("Stopped.")).to_be_visible()


def test_a_refusal_by_a_limit_or_a_budget_is_seen(page: Page, server: Server, api: Api) -> None:
    tenant = api.tenant("Limited", limits={"requests_per_minute": 2})
    key = api.key_of(tenant)
    sign_in(page, server.url, key.key)
    ask(page, "One?")
    expect(page.get_by_text("Requests left")).to_be_visible()
    for question in ("Two?", "Three?"):
        ask(page, question)
    expect(page.get_by_role("alert").first).to_contain_text("Limit reached.")
    expect(page.get_by_role("alert").first).to_contain_text("Try again in")

    budget = {"limits": None, "budget": {"usd": "0", "period": "month"}}
    api.call("PATCH", f"/admin/tenants/{tenant['id']}", budget)
    key.document("refunds", "Refunds take 30 days.")
    ask(page)
    expect(page.get_by_role("alert").first).to_contain_text("Budget used up.")


def test_files_are_uploaded_with_their_progress_and_deleted_after_a_question(
    desk: Page, tmp_path: Path
) -> None:
    good, empty = tmp_path / "holidays.md", tmp_path / "empty.txt"
    good.write_text("# Holidays\n\nThe office is closed on Mondays.")
    empty.write_text(" ")
    desk.get_by_role("link", name="Documents").click()
    desk.get_by_text("Groups and metadata").click()
    desk.get_by_label("Groups").fill("hr")
    desk.get_by_label("Metadata").fill('{"lang": "en"}')
    desk.set_input_files("input[type=file]", [good, empty])
    uploads = desk.get_by_role("list", name="Uploads").get_by_role("listitem")
    expect(uploads.filter(has_text="holidays.md")).to_contain_text("ready")
    expect(uploads.filter(has_text="empty.txt")).to_contain_text("no text")
    table = desk.get_by_role("region", name="Documents")
    row = table.get_by_role("row").filter(has_text="holidays")
    expect(row).to_contain_text("ready")
    desk.get_by_label("Search documents").fill("lang hr holi")
    expect(table.get_by_role("row")).to_have_count(2)
    desk.get_by_label("Search documents").fill("")
    row.get_by_role("link").click()
    expect(desk.get_by_text("The office is closed on Mondays.")).to_be_visible()
    expect(desk.locator(".facts")).to_contain_text("lang")

    desk.get_by_role("button", name="Delete").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    desk.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(desk.get_by_role("heading", name="Documents")).to_be_visible()
    expect(table.get_by_role("row").filter(has_text="holidays")).to_have_count(0)


def test_progress_is_shown_while_a_file_is_sent(desk: Page) -> None:
    """The connection is slowed down, so that a share of the file is on its way for a while."""
    desk.get_by_role("link", name="Documents").click()
    session: Any = desk.context.new_cdp_session(desk)
    speed = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 150_000}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", speed)
    words = ("Paragraph. " * 40_000).encode()
    file: Any = {"name": "long.txt", "mimeType": "text/plain", "buffer": words}
    desk.set_input_files("input[type=file]", file)
    bar = desk.get_by_role("progressbar", name="Progress of long.txt")
    expect(bar).to_be_visible()
    # Half of the bar is for sending, half for the work on it.
    expect(bar).to_have_attribute("value", re.compile(r"^0\.[1-4]"))
    expect(desk.get_by_role("list", name="Uploads")).to_contain_text(re.compile(r"sent [1-9]"))
    session.send("Network.emulateNetworkConditions", {**speed, "uploadThroughput": -1})


def test_a_dropped_file_is_uploaded(desk: Page) -> None:
    desk.get_by_role("link", name="Documents").click()
    transfer = desk.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["Dropped text."], "dropped.txt", {type: "text/plain"}));
            return transfer;
        }"""
    )
    desk.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    expect(desk.get_by_text("Drop to upload")).to_be_visible()
    desk.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(desk.get_by_role("list", name="Uploads")).to_contain_text("dropped.txt")
    expect(desk.get_by_role("list", name="Uploads")).to_contain_text("ready")


def test_a_new_version_keeps_groups_and_metadata(desk: Page, acme: Api, server: Server) -> None:
    acme.document("pay", "Paid on the 25th.", groups=["hr"], metadata={"lang": "en"})
    desk.goto(f"{server.url}/console/documents/pay")
    file: Any = {"name": "pay.txt", "mimeType": "text/plain", "buffer": b"Paid on the 24th."}
    desk.set_input_files("input[type=file]", file)
    expect(desk.get_by_text("Paid on the 24th.")).to_be_visible()
    document = acme.get("/v1/documents/pay")
    assert (document["version"], document["groups"]) == (2, ["hr"])
    assert document["metadata"] == {"lang": "en"}


def test_nothing_in_names_and_texts_runs(page: Page, server: Server, api: Api) -> None:
    """Scripts and event handlers, wherever a stranger's text is shown."""
    tenant = api.tenant(f"Evil {SCRIPT}")
    key = api.key_of(tenant, name=SCRIPT, groups=[f"g {SCRIPT}"])
    key.document(
        "evil",
        f"# Refunds {SCRIPT}\n\nRefunds take 30 days {SCRIPT}.",
        title=f"Title {SCRIPT}",
        metadata={"note": SCRIPT},
    )
    sign_in(page, server.url, key.key)
    ask(page, f"How long do refunds take? {SCRIPT}")
    page.get_by_role("button", name="Source 1").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(SCRIPT)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Documents").click()
    page.get_by_role("link", name="Title").click()
    expect(page.locator(".facts")).to_contain_text(SCRIPT)
    page.context.clear_cookies()
    sign_in(page, server.url, api.key)
    for path in ("/tenants", f"/tenants/{tenant['id']}", "/audit", "/usage?tenant=" + tenant["id"]):
        page.goto(f"{server.url}/console{path}")
        expect(page.get_by_text("Evil <img", exact=False).first).to_be_attached()
        assert page.locator("main img, main script").count() == 0


def test_nothing_in_an_answer_runs_whatever_the_server_lets_through(desk: Page) -> None:
    """The server takes markup out of answers; the console does not rely on it."""
    text = (
        f"Refunds [1]. {SCRIPT} [click](javascript:alert(3)) [data](data:text/html,x) [9] "
        "![pixel](http://elsewhere.example/p.png) [**shop**](https://shop.example/a?b=1)\n\n"
        "| a | b |\n|---|---|\n| <svg onload=alert(5)> | `<b>` |\n\n"
        "1. one\n2. two\n   - nested *text*\n\n> quoted\n\n```\n<iframe src=//x>\n```\n"
    )
    source = {"chunk_id": "c", "document_id": "d", "title": SCRIPT, "text": SCRIPT, "score": 1}
    source |= {"page": None, "heading": "", "start": 0, "end": 10, "metadata": {}}
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 1)
    done = {
        "id": "ans_1",
        "answer": text,
        "model": SCRIPT,
        "finish_reason": "stop",
        "citations": [],
        "sources": [source],
        "cache": {"status": "miss", "age_seconds": None, "similarity": None},
        "usage": {**usage, "embedding_tokens": 1, "cost_usd": None, "saved_usd": "0"},
    }
    events = (("sources", {"sources": [source]}), ("delta", {"text": text}), ("done", done))
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    headers = {"content-type": "text/event-stream"}
    desk.route("**/v1/query", lambda route: route.fulfill(body=body, headers=headers))
    ask(desk)
    answer = desk.locator(".answer-text")
    expect(answer).to_contain_text("<img src=x onerror=alert(1)><script>alert(2)</script>")
    expect(answer).to_contain_text("[9]")  # no such source: no chip
    assert answer.locator("img, script, svg, iframe, [onerror], [onload]").count() == 0
    [link] = answer.get_by_role("link").all()
    assert link.get_attribute("href") == "https://shop.example/a?b=1"
    assert "noopener" in (link.get_attribute("rel") or "")
    expect(answer.locator("td").first).to_have_text("<svg onload=alert(5)>")
    expect(answer.locator("ol > li")).to_have_count(2)
    expect(answer.locator("ol em")).to_have_text("text")
    expect(answer.locator("pre")).to_have_text("<iframe src=//x>")
    expect(answer.locator("blockquote")).to_have_text("quoted")
