// Two plots as SVG text: lines over an axis, and bars in groups. No styling beyond what is read in a README.

export interface Line {
  name: string;
  points: readonly (readonly [number, number])[];
}

const colors = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df'];
const [width, height, left, top, right, bottom] = [720, 300, 52, 16, 120, 40];

function frame(body: string[], xLabel: string, yLabel: string): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...body,
    `<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${xLabel}</text>`,
    `<text x="12" y="${height / 2}" text-anchor="middle" transform="rotate(-90 12 ${height / 2})">${yLabel}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function scale(low: number, high: number, from: number, to: number): (value: number) => number {
  return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

function axis(max: number, y: (value: number) => number, digits: number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((part) => {
    const at = y(part * max).toFixed(1);
    return [
      `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="#ddd"/>`,
      `<text x="${left - 4}" y="${at}" text-anchor="end" dy="4">${(part * max).toFixed(digits)}</text>`,
    ];
  });
}

/** Lines from 0 to the greatest y; x from the least to the greatest. */
export function linePlot(lines: readonly Line[], xLabel: string, yLabel: string): string {
  const all = lines.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const max = Math.max(...all.map(([, y]) => y));
  const x = scale(Math.min(...xs), Math.max(...xs), left, width - right);
  const y = scale(0, max, height - bottom, top);
  const body = axis(max, y, 2);
  for (const end of [Math.min(...xs), Math.max(...xs)]) {
    body.push(`<text x="${x(end)}" y="${height - bottom + 14}" text-anchor="middle">${end.toPrecision(3)}</text>`);
  }
  lines.forEach(({ name, points }, index) => {
    const color = colors[index % colors.length]!;
    const path = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ');
    body.push(`<polyline fill="none" stroke="${color}" points="${path}"/>`);
    body.push(`<text x="${width - right + 8}" y="${top + 14 * (index + 1)}" fill="${color}">${name}</text>`);
  });
  return frame(body, xLabel, yLabel);
}

/** A group of bars for each row, with a line where all bars would be equal. */
export function barPlot(groups: readonly { name: string; values: readonly number[] }[], even: number): string {
  const max = Math.max(even, ...groups.flatMap(({ values }) => values));
  const y = scale(0, max, height - bottom, top);
  const room = (width - left - right) / groups.length;
  const body = axis(max, y, 3);
  groups.forEach(({ name, values }, group) => {
    const bar = (room * 0.9) / values.length;
    values.forEach((value, index) => {
      const at = left + group * room + index * bar;
      body.push(
        `<rect x="${at.toFixed(1)}" y="${y(value).toFixed(1)}" width="${(bar * 0.85).toFixed(1)}" height="${(y(0) - y(value)).toFixed(1)}" fill="${colors[0]}"/>`,
      );
    });
    body.push(`<text x="${left + group * room}" y="${height - bottom + 14}">${name}</text>`);
  });
  body.push(`<line x1="${left}" x2="${width - right}" y1="${y(even)}" y2="${y(even)}" stroke="${colors[1]}"/>`);
  body.push(`<text x="${width - right + 8}" y="${y(even)}" dy="4" fill="${colors[1]}">even share</text>`);
  return frame(body, 'expert, by layer', "share of the layer's tokens");
}
