"""Every page of the console as a PNG, at two widths and in both themes.

python -m scripts.screenshots [--out build/screenshots] [page …]
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from tests.acceptance.console.browser import MISSING, launched, new_page, program, sign_in
from tests.acceptance.console.stage import HANDBOOK, Api, Spent, spend
from tests.acceptance.console.upstream import Upstream
from tests.acceptance.server import ADMIN_KEY, Server, running

CORPUS = Path(__file__).parents[1] / "src/carrel/cli/demo/corpus/acme"
WIDTHS = {"desktop": (1280, 800), "phone": (390, 844)}
ANSWER = (
    "Refunds are paid **within 30 days** of the return [1].\n\n"
    "- A refund of more than 500 euros needs a second signature [1].\n"
    "- The shop keeps a copy of the receipt for seven years [1].\n"
)


def furnish(api: Api) -> dict[str, str]:
    """Tenants with documents, keys and a month of usage; their ids by name."""
    budget = {"usd": "7.5", "period": "month"}
    limits = {"requests_per_minute": 600, "tokens_per_minute": 200_000}
    acme = api.tenant("Acme", budget=budget, limits=limits)
    globex = api.tenant("Globex", isolation="collection")
    umbrella = api.tenant("Umbrella")
    api.call("PATCH", f"/admin/tenants/{umbrella['id']}", {"status": "suspended"})
    api.key_of(acme, scopes=["query"], limits={"requests_per_minute": 60})
    key = api.key_of(acme)
    key.document("handbook", HANDBOOK, title="Staff handbook", metadata={"lang": "en"})
    for path in sorted(CORPUS.glob("*.md")) + sorted(CORPUS.glob("*.txt")):
        key.document(path.stem, path.read_text(), title=path.stem.replace("-", " ").capitalize())
    key.document("salaries", "Salaries are paid on the 25th.", title="Salaries", groups=["hr"])
    key.post("/v1/documents", {"document_id": "empty", "text": " \n", "title": "Empty file"})
    wave = [
        Spent(
            tenant["id"],
            day,
            int(40 + 25 * math.sin(day / 2 + n)),
            9000 + 2500 * n,
            model,
            12,
            9000,
        )
        for n, (tenant, model) in enumerate(((acme, "small"), (globex, "small"), (globex, "large")))
        for day in range(30)
    ]
    spend(api.server, wave)
    return {"acme": acme["id"], "globex": globex["id"]}


def ask(page: Page) -> None:
    page.get_by_label("Question").fill("How long do refunds take?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Whole answer").wait_for()


def cite(page: Page) -> None:
    ask(page)
    page.get_by_role("button", name="Source 1").first.click()
    page.locator("mark").wait_for()


def check(page: Page) -> None:
    page.get_by_role("button", name="Check isolation").click()
    page.get_by_text("attacks, none got through").wait_for(timeout=120_000)
    page.locator("summary").filter(has_text="What was tried").click()


def nothing(page: Page) -> None:
    page.wait_for_load_state("networkidle")


def press(name: str) -> Callable[[Page], None]:
    def pressed(page: Page) -> None:
        page.wait_for_load_state("networkidle")
        page.get_by_role("button", name=name, exact=True).first.click()

    return pressed


def pages(ids: dict[str, str]) -> dict[str, tuple[str, Callable[[Page], None]]]:
    acme = f"/tenants/{ids['acme']}"
    return {
        "playground": ("/playground", ask),
        "citation": ("/playground", cite),
        "documents": ("/documents", nothing),
        "document": ("/documents/handbook", nothing),
        "tenants": ("/tenants", nothing),
        "new-tenant": ("/tenants", press("New tenant")),
        "tenant": (acme, nothing),
        "new-key": (acme, press("New key")),
        "usage": ("/usage", nothing),
        "usage-tenant": (f"/usage?tenant={ids['acme']}", nothing),
        "operations": ("/operations", nothing),
        "isolation": ("/operations", check),
        "audit": ("/audit", nothing),
        "desk": ("/tenants", lambda page: page.locator("#desk").select_option("other") and None),
    }


def shoot(server: Server, chosen: list[str], out: Path) -> None:
    with sync_playwright() as playwright:
        executable = program()
        if executable is None:
            raise SystemExit(MISSING)
        with launched(playwright, executable) as browser:
            contexts = [
                (width, scheme, browser.new_context(
                    viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
                ))
                for width, size in WIDTHS.items()
                for scheme in ("light", "dark")
            ]  # fmt: skip
            if not chosen or "setup" in chosen:
                for width, scheme, context in contexts:
                    page, _ = new_page(context, server.url)
                    page.goto(f"{server.url}/console")
                    page.screenshot(path=out / f"sign-in-{width}-{scheme}.png")
                    sign_in(page, server.url, ADMIN_KEY)
                    page.get_by_role("heading", name="Set up").wait_for()
                    page.screenshot(path=out / f"setup-{width}-{scheme}.png", full_page=True)
                    page.close()
            ids = furnish(Api(playwright, server))
            for width, scheme, context in contexts:
                context.clear_cookies()
                page, _ = new_page(context, server.url)
                sign_in(page, server.url, ADMIN_KEY)
                page.goto(f"{server.url}/console/tenants/{ids['acme']}")
                page.get_by_role("button", name="Open desk").click()
                page.get_by_role("heading", name="Playground").wait_for()
                for name, (path, act) in pages(ids).items():
                    if chosen and name not in chosen:
                        continue
                    page.goto(f"{server.url}/console{path}")
                    act(page)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=out / f"{name}-{width}-{scheme}.png", full_page=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    said = parser.parse_args()
    said.out.mkdir(parents=True, exist_ok=True)
    upstream = Upstream()
    upstream.text = ANSWER
    with (
        tempfile.TemporaryDirectory() as folder,
        upstream.serving(),
        running(Path(folder), upstream.environment) as server,
    ):
        shoot(server, said.pages, said.out)


if __name__ == "__main__":
    main()
