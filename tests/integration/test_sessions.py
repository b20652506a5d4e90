"""Console sessions of a deployment without an admin key in its environment."""

from carrel.database.engine import Database
from carrel.domain.ids import KeyId
from carrel.tenancy.keys import KeyStore
from carrel.tenancy.sessions import Entry, Sessions, begin


async def test_sessions_outlive_the_replacement_of_the_admin_key(database: Database) -> None:
    keys = KeyStore(database)
    await keys.ensure_admin()
    session = begin(Entry(KeyId("key_1"), "crl_x"))
    token = await Sessions(keys, None).seal(session)
    await keys.replace_admin()
    assert await Sessions(keys, None).open(token) == session
