"""Every route, everyone who must not, every id of another tenant: nothing of it is answered.

Attackers send each of the victim's ids in every place that takes one.
"""

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server
from tests.isolation.backends import Backend, settings_of
from tests.isolation.matrix import Matrix
from tests.isolation.routes import ROUTES
from tests.isolation.tally import TALLY

from carrel.database.engine import Database


@pytest.fixture
async def matrix(server: Server) -> AsyncIterator[Matrix]:
    environment = {"CARREL_DATA_DIR": str(server.data_dir), **server.environment}
    database = Database(settings_of(environment).sql_url)
    async with aiohttp.ClientSession() as session:
        made = Matrix(session, server, database)
        await made.set_up()
        yield made
    await database.close()


async def test_the_table_of_routes_is_that_of_the_server(admin: Client) -> None:
    status, document = await admin.get("/openapi.json")
    assert status == 200
    served = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert served == {route.name for route in ROUTES}


async def test_the_table_has_every_path_parameter_as_an_id() -> None:
    assert all(route.takes_ids for route in ROUTES)


@pytest.mark.timeout(300)
async def test_no_route_gives_anything_of_another_tenant_to_anyone(
    matrix: Matrix, backend: Backend, record_property: Callable[[str, object], None]
) -> None:
    for route in ROUTES:
        await matrix.attack(route)
    await matrix.check_untouched()
    record_property(
        TALLY,
        f"{matrix.combinations:,} combinations over HTTP on {backend}: {len(ROUTES)} routes, "
        f"{matrix.pairs(ROUTES)} pairs of route and caller, each with {len(matrix.victim.ids)} "
        "ids of the victim; nothing of it was answered",
    )


async def test_whoever_may_reaches_every_route(matrix: Matrix) -> None:
    """Without this, a server that refuses everything would pass."""
    victim = matrix.victim
    for route in ROUTES:
        key = {"public": None, "tenant": victim.keys["full"], "admin": ADMIN_KEY}[route.plane]
        answer = await matrix.send_own(route, key)
        assert answer.status == route.succeeds, (route.name, answer)
