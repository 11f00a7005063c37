// A bar chart as SVG text. Written by hand: rectangles and text are all it takes, and the bytes are the same on every machine.

export interface Bar {
  readonly label: string;
  /** A share: 1 is the whole width. */
  readonly share: number;
  /** Where the goal is, and whether a larger share is meant to reach it. */
  readonly target?: number;
  readonly isMet?: boolean;
}

const rowHeight = 22;
const labelWidth = 430;
const barWidth = 340;
const margin = 12;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Horizontal bars with a line where each goal is; green bars reach theirs, red ones do not, grey ones have none. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(1, ...bars.map(({ share, target = 0 }) => Math.max(share, target)));
  const x = (share: number): number => Number((labelWidth + (share / most) * barWidth).toFixed(1));
  const width = labelWidth + barWidth + 60;
  const height = margin * 2 + 24 + bars.length * rowHeight;
  const rows = bars.map(({ label, share, target, isMet }, i) => {
    const y = margin + 24 + i * rowHeight;
    const color = isMet === undefined ? '#8a94a6' : isMet ? '#2f9e6e' : '#c9543f';
    const goal =
      target === undefined ? '' : `<path d="M${x(target)} ${y}v${rowHeight - 4}" stroke="#111" stroke-width="2"/>`;
    return `<text x="${labelWidth - 8}" y="${y + 13}" text-anchor="end">${escape(label)}</text><rect x="${labelWidth}" y="${y + 2}" width="${(x(share) - labelWidth).toFixed(1)}" height="${rowHeight - 8}" fill="${color}"/>${goal}<text x="${Math.max(x(share), x(target ?? 0)) + 6}" y="${y + 13}">${share.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${margin}" y="${margin + 8}" font-size="14" font-weight="bold">${escape(title)}</text>
<path d="M${x(1)} ${margin + 20}V${height - margin}" stroke="#bbb" stroke-dasharray="3 3"/>
${rows.join('\n')}
</svg>
`;
}
