// Bodies that no server should take, always the same ones, and what a server makes of them.

const valid = {
  model: 'm',
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 2,
  temperature: 0,
  top_p: 1,
  stop: ['x'],
  stream: false,
  seed: 1,
  tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
};
const wrong: readonly unknown[] = [null, true, -1, 1e300, 'text', '', [], {}, [null], [[]], { a: [] }, '\ud800'];

/** `count` bodies: members of the wrong kind, at every depth, and text that is no JSON or breaks off. */
export function malformedBodies(count: number): string[] {
  const whole = JSON.stringify(valid);
  const bodies: string[] = [];
  const fields = Object.keys(valid);
  for (let i = 0; bodies.length < count; i++) {
    const value = wrong[i % wrong.length];
    const field = fields[Math.floor(i / wrong.length) % fields.length];
    const kind = i % 4;
    if (kind === 0) bodies.push(whole.slice(0, 1 + ((i * 37) % (whole.length - 2))));
    else if (kind === 1) bodies.push(JSON.stringify({ ...valid, [field]: value }));
    else if (kind === 2) bodies.push(JSON.stringify({ ...valid, messages: [{ role: value, content: value }, value] }));
    else
      bodies.push(
        JSON.stringify({ ...valid, tools: [{ type: 'function', function: { name: 'f', parameters: value } }] }),
      );
  }
  return bodies;
}

/** Requests of `bodies` that were answered 5xx, and that were not answered at all. */
export async function answersTo(
  url: URL,
  bodies: readonly string[],
  path: string = '/v1/chat/completions',
): Promise<{ failed: number; dropped: number }> {
  let failed = 0;
  let dropped = 0;
  for (const body of bodies) {
    try {
      const headers = { 'content-type': 'application/json' };
      const signal = AbortSignal.timeout(20_000);
      const response = await fetch(new URL(path, url), { method: 'POST', headers, body, signal });
      await response.arrayBuffer();
      if (response.status >= 500) failed++;
    } catch {
      dropped++;
    }
  }
  return { failed, dropped };
}

/** JSON nested `depth` deep. */
export function deepBody(depth: number): string {
  return `{"model":"m","prompt":"x","messages":[{"role":"user","content":"x"}],"stop":${'['.repeat(depth)}${']'.repeat(depth)}}`;
}
