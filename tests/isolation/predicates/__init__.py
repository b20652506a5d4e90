"""The predicates that keep tenants apart, each with the edit that removes it."""

from tests.isolation.predicates.callers import CALLERS
from tests.isolation.predicates.documents import DOCUMENTS
from tests.isolation.predicates.erasure import ERASURE
from tests.isolation.predicates.groups import GROUPS
from tests.isolation.predicates.jobs import JOBS
from tests.isolation.predicates.placement import PLACEMENT
from tests.isolation.predicates.server import SERVER
from tests.isolation.predicates.vectors import VECTORS

MUTATIONS = (
    *VECTORS,
    *SERVER,
    *PLACEMENT,
    *ERASURE,
    *JOBS,
    *DOCUMENTS,
    *GROUPS,
    *CALLERS,
)
