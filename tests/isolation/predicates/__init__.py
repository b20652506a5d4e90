"""The predicates that keep tenants apart, each with the edit that removes it."""

from tests.isolation.predicates.aside import ASIDE
from tests.isolation.predicates.caching import CACHING
from tests.isolation.predicates.callers import CALLERS
from tests.isolation.predicates.documents import DOCUMENTS
from tests.isolation.predicates.erasure import ERASURE
from tests.isolation.predicates.generations import GENERATIONS
from tests.isolation.predicates.groups import GROUPS
from tests.isolation.predicates.jobs import JOBS
from tests.isolation.predicates.placement import PLACEMENT
from tests.isolation.predicates.vectors import VECTORS
from tests.isolation.predicates.vectors_server import VECTORS_SERVER

MUTATIONS = (
    *VECTORS,
    *VECTORS_SERVER,
    *PLACEMENT,
    *ERASURE,
    *JOBS,
    *DOCUMENTS,
    *GROUPS,
    *CALLERS,
    *CACHING,
    *ASIDE,
    *GENERATIONS,
)
