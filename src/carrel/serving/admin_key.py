"""The first admin key: made and shown once, where the environment gives none."""

import contextlib
import sys

from carrel.resources.stores import open_database
from carrel.settings import Settings
from carrel.tenancy.keys import KeyStore


async def announce_first_admin_key(settings: Settings) -> None:
    """Make an admin key at first start and print it; later starts print nothing."""
    if settings.admin_key is not None:
        return
    async with contextlib.AsyncExitStack() as stack:
        made = await KeyStore(await open_database(settings, stack)).ensure_admin()
    if made is not None:
        sys.stdout.write(
            f"\nAdmin key (shown this once; `carrel keys replace-admin` makes another):\n\n"
            f"  export CARREL_ADMIN_KEY={made.secret}\n\n"
        )
        sys.stdout.flush()
