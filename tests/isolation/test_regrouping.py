"""A document's groups change with its next version: no text is ever shown to other groups' callers.

Versions wait for a worker, so one may be indexed when the next was accepted already.
"""

from pathlib import Path

import pytest
from tests.isolation.backends import Backend
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import new_tenant, opened

QUESTION = question_about("refunds")


@pytest.mark.parametrize("groups", [(), ("blue",), ("red", "blue")])
async def test_a_text_is_for_the_groups_that_it_was_uploaded_with(
    backend: Backend, tmp_path: Path, groups: tuple[str, ...]
) -> None:
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        red, blue = await tenant.in_groups("red"), await tenant.in_groups("blue")
        await red.upload("policy", text_about("refunds", "secret"), groups=["red"], wait=0)
        await red.upload("policy", text_about("refunds", "public"), groups=groups, wait=0)
        for _ in range(2):
            assert await api.do_one_job() == "ingest"
            assert "secret" not in (await blue.search(QUESTION)).text
            assert "secret" not in (await tenant.search(QUESTION)).text
        assert "public" in (await blue.search(QUESTION)).text
