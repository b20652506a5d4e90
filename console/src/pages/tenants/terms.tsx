// Limits and a budget, as tenants and keys both have them: shown, entered, and sent.

import type { JSX } from "preact";
import type { Budget, BudgetBody, Limits } from "../../api/schema";
import { Field, numberOf, valueOf } from "../../parts/field";
import { money, number } from "../../text/format";

export function limitsText(limits: Limits): string {
  const said = [
    limits.requests_per_minute && `${number(limits.requests_per_minute)} requests/min`,
    limits.tokens_per_minute && `${number(limits.tokens_per_minute)} tokens/min`,
    limits.concurrent_requests && `${number(limits.concurrent_requests)} at once`,
  ].filter(Boolean);
  return said.join(", ") || "none";
}

export function budgetText(budget: Budget | null): string {
  return budget ? `${money(budget.usd)} a ${budget.period}` : "none";
}

export function TermsFields({ limits, budget }: { limits?: Limits; budget?: Budget | null }): JSX.Element {
  const shown = (value: number | null | undefined) => value ?? "";
  return (
    <>
      <fieldset>
        <legend>Limits</legend>
        <p class="hint">Empty: no limit.</p>
        <div class="grid">
          <Field label="Requests a minute">{(ids) => <input {...ids} name="requests_per_minute" type="number" min={1} defaultValue={String(shown(limits?.requests_per_minute))} />}</Field>
          <Field label="Tokens a minute">{(ids) => <input {...ids} name="tokens_per_minute" type="number" min={1} defaultValue={String(shown(limits?.tokens_per_minute))} />}</Field>
          <Field label="Requests at once">{(ids) => <input {...ids} name="concurrent_requests" type="number" min={1} defaultValue={String(shown(limits?.concurrent_requests))} />}</Field>
        </div>
      </fieldset>
      <fieldset>
        <legend>Budget</legend>
        <p class="hint">Reserved before a model is asked, so it can’t be overspent. Empty: none.</p>
        <div class="grid">
          <Field label="US dollars">{(ids) => <input {...ids} name="usd" inputMode="decimal" pattern="\d+(\.\d{1,6})?" title="Dollars, such as 25 or 0.50" defaultValue={budget?.usd ?? ""} />}</Field>
          <Field label="For each">
            {(ids) => (
              <select {...ids} name="period" defaultValue={budget?.period ?? "month"}>
                <option value="month">month</option>
                <option value="day">day</option>
              </select>
            )}
          </Field>
          <Field label="If spending can’t be known">
            {(ids) => (
              <select {...ids} name="on_outage" defaultValue={budget?.on_outage ?? "refuse"}>
                <option value="refuse">refuse</option>
                <option value="allow">allow</option>
              </select>
            )}
          </Field>
        </div>
      </fieldset>
    </>
  );
}

/** What was entered: every limit by name, null for none, so that emptying a field removes it. */
export function termsOf(form: HTMLFormElement): { limits: Limits; budget: BudgetBody | null } {
  const usd = valueOf(form, "usd");
  return {
    limits: {
      requests_per_minute: numberOf(form, "requests_per_minute"),
      tokens_per_minute: numberOf(form, "tokens_per_minute"),
      concurrent_requests: numberOf(form, "concurrent_requests"),
    },
    budget: usd
      ? { usd, period: valueOf(form, "period") as "day" | "month", on_outage: valueOf(form, "on_outage") as "refuse" | "allow" }
      : null,
  };
}
