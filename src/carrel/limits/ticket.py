"""A caller's way through the gate, for one request.

It is admitted, may reserve money, and is finished, once: whoever finishes it first
says what it took, and later calls change nothing.
"""

from collections.abc import Sequence

from carrel.domain.errors import RateLimited
from carrel.domain.ids import RequestId, TenantId
from carrel.domain.key import Caller
from carrel.domain.tenant import Allowance, OnOutage
from carrel.domain.tenant import Budget as Terms
from carrel.limits.gate import Gate
from carrel.limits.handles import Admission, Budget, Reservation
from carrel.limits.meter import Scope
from carrel.telemetry import trace


class Ticket:
    """One request of a caller at the *gate*; `requests` and `tokens` are for its headers."""

    def __init__(
        self, gate: Gate, tenant_id: TenantId, request_id: RequestId, caller: Caller
    ) -> None:
        self._gate = gate
        self._tenant_id = tenant_id
        self._request_id = request_id
        of_tenant, of_key = f"tenant:{tenant_id}", f"key:{caller.key_id}"
        self._scopes = (
            Scope(of_tenant, caller.tenant_limits),
            Scope(of_key, caller.key_limits),
        )
        terms = ((of_tenant, caller.tenant_budget), (of_key, caller.key_budget))
        self._budgets = [_budget(name, each) for name, each in terms if each is not None]
        self._on_outage: OnOutage = _strictest([each for _, each in terms if each is not None])
        self._admission: Admission | None = None
        self._reservation: Reservation | None = None
        self._finished = False
        self._kept = False
        self.requests: Allowance | None = None
        self.tokens: Allowance | None = None

    @property
    def has_budget(self) -> bool:
        """Whether what costs money has to be reserved."""
        return bool(self._budgets)

    async def admit(self, tokens: int = 0) -> None:
        """Take a request, and an estimate of its *tokens*, from all limits.

        Raises:
            RateLimited: there is no room; nothing was taken.
        """
        try:
            with trace.span("admit"):
                self._admission = await self._gate.admit(
                    self._tenant_id, self._request_id, self._scopes, tokens
                )
        except RateLimited as error:
            self.requests, self.tokens = error.requests, error.tokens
            raise
        self.requests, self.tokens = self._admission.requests, self._admission.tokens

    async def reserve(self, wanted_micro_usd: int, least_micro_usd: int) -> int:
        """Hold money on all budgets: how much is held, of what is *wanted*, at least the *least*.

        Raises:
            BudgetExhausted: a budget has not even the least left.
            Unavailable: what was spent can't be known now.
        """
        self._reservation = await self._gate.reserve(
            self._tenant_id,
            self._request_id,
            self._budgets,
            wanted_micro_usd,
            least_micro_usd,
            on_outage=self._on_outage,
        )
        return self._reservation.amount_micro_usd

    def keep(self) -> None:
        """Hold on to what is held when the request ends: what it set in motion goes on."""
        self._kept = True

    async def leave(self) -> None:
        """The request has ended: give back what is held, unless it is kept."""
        if not self._kept:
            await self.finish()

    async def finish(self, *, spent_micro_usd: int = 0, tokens: int | None = None) -> None:
        """Give back what is held, and count what was spent and the *tokens* that were used.

        Without *tokens* the estimate stands.
        """
        if self._finished:
            return
        self._finished = True
        await self._gate.finish(
            self._admission, self._reservation, spent_micro_usd=spent_micro_usd, tokens=tokens
        )


def _budget(scope: str, terms: Terms) -> Budget:
    return Budget(scope, terms.micro_usd, terms.period)


def _strictest(terms: Sequence[Terms]) -> OnOutage:
    return "allow" if terms and all(each.on_outage == "allow" for each in terms) else "refuse"
