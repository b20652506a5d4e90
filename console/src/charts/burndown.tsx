// What is left of a budget, over its period: as it was, and as it goes on at the present rate.

import type { JSX } from "preact";
import { ticks } from "./scale";
import { useWidth } from "./width";

const HEIGHT = 190;
const BOTTOM = 22;
const TOP = 8;

export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  left: number;
}

export function Burndown({ label, points, projected, from, to, limit, format, name }: {
  label: string;
  points: Point[];
  projected: Point[];
  from: number;
  to: number;
  limit: number;
  format: (value: number) => string;
  name: (at: number) => string;
}): JSX.Element {
  const [element, width] = useWidth();
  const scale = ticks(limit);
  const most = scale.at(-1)!;
  const left = 14 + 6.2 * Math.max(...scale.map((each) => format(each).length));
  const room = Math.max(width - left - 20, 40);
  const x = (at: number) => left + (room * (at - from)) / (to - from);
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.max(value, 0) / most);
  const path = (line: Point[]) => line.map((each, n) => `${n ? "L" : "M"}${x(each.at).toFixed(1)} ${y(each.left).toFixed(1)}`).join("");
  const marks = Array.from({ length: 5 }, (_, n) => from + ((to - from) * n) / 4);
  return (
    <div ref={element} class="chart">
      <svg width={width} height={HEIGHT} role="img" aria-label={label}>
        {scale.map((each) => (
          <g key={each}>
            <line class="grid-line" x1={left} x2={width} y1={y(each)} y2={y(each)} />
            <text class="tick" x={left - 8} y={y(each) + 4} text-anchor="end">{format(each)}</text>
          </g>
        ))}
        {marks.map((each) => <text key={each} class="tick" x={x(each)} y={HEIGHT - 6} text-anchor={each === to ? "end" : each === from ? "start" : "middle"}>{name(each)}</text>)}
        <path class="line projected" d={path(projected)} />
        <path class="line" d={path(points)} />
        {points.length > 0 && <circle class="dot" cx={x(points.at(-1)!.at)} cy={y(points.at(-1)!.left)} r="3.5" />}
        <line class="axis" x1={left} x2={width} y1={y(0)} y2={y(0)} />
      </svg>
    </div>
  );
}
