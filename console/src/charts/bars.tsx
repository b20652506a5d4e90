// Amounts by day, one bar a day, each made of its parts. Parts are told apart by shade, and by the legend's order.

import type { JSX } from "preact";
import { every, ticks } from "./scale";
import { useWidth } from "./width";

export interface Series {
  name: string;
  values: number[];
}

const HEIGHT = 190;
const BOTTOM = 22;
const TOP = 8;

export function Bars({ label, labels, series, format }: {
  label: string;
  labels: string[];
  series: Series[];
  format: (value: number) => string;
}): JSX.Element {
  const [element, width] = useWidth();
  const totals = labels.map((_, n) => series.reduce((sum, each) => sum + (each.values[n] ?? 0), 0));
  const scale = ticks(Math.max(0, ...totals));
  const most = scale.at(-1)!;
  const left = 14 + 6.2 * Math.max(...scale.map((each) => format(each).length));
  const room = Math.max(width - left, 40);
  const slot = room / Math.max(labels.length, 1);
  const thick = Math.max(1, Math.min(slot * 0.72, 36));
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
  const step = every(labels.length, room, 56);
  return (
    <div ref={element} class="chart">
      <svg width={width} height={HEIGHT} role="img" aria-label={label}>
        {scale.map((each) => (
          <g key={each}>
            <line class="grid-line" x1={left} x2={width} y1={y(each)} y2={y(each)} />
            <text class="tick" x={left - 8} y={y(each) + 4} text-anchor="end">{format(each)}</text>
          </g>
        ))}
        {labels.map((name, n) => {
          const x = left + slot * n + (slot - thick) / 2;
          let below = 0;
          return (
            <g key={name} class="bar" data-label={name} data-total={totals[n]}>
              <title>{[`${name}: ${format(totals[n]!)}`, ...(series.length > 1 ? series.filter((each) => each.values[n]).map((each) => `${each.name}: ${format(each.values[n]!)}`) : [])].join("\n")}</title>
              <rect class="hover" x={left + slot * n} y={TOP} width={slot} height={HEIGHT - TOP - BOTTOM} />
              {series.map((each, m) => {
                const value = each.values[n] ?? 0;
                below += value;
                return value > 0 && <rect key={each.name} class={`part part-${m}`} x={x} y={y(below)} width={thick} height={Math.max(0.5, y(below - value) - y(below))} />;
              })}
              {n % step === 0 && <text class="tick" x={x + thick / 2} y={HEIGHT - 6} text-anchor="middle">{name}</text>}
            </g>
          );
        })}
        <line class="axis" x1={left} x2={width} y1={y(0)} y2={y(0)} />
      </svg>
    </div>
  );
}

export function Legend({ names }: { names: string[] }): JSX.Element | null {
  if (names.length < 2) return null;
  return (
    <ul class="legend">
      {names.map((name, n) => (
        <li key={name}>
          <svg width="10" height="10" aria-hidden="true"><rect class={`part part-${n}`} width="10" height="10" rx="2" /></svg> {name}
        </li>
      ))}
    </ul>
  );
}
