// One streamed request and how it ended, over node:http: as little of the client's own time as possible.
import { Agent, request } from 'node:http';

export interface Outcome {
  /** `whole`: to its [DONE]. `error`: a typed error, before or in the stream. `cut`: neither, which must never happen. */
  end: 'whole' | 'busy' | 'error' | 'cut' | 'left';
  status: number;
  text: string;
  firstTokenMs: number;
  milliseconds: number;
  /** As the server asked for; 0 when it did not. */
  retryAfterMs: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

/** `leaveAfter`: bytes of the answer after which the client goes. */
export function stream(url: URL, path: string, body: unknown, leaveAfter: number = Infinity): Promise<Outcome> {
  return new Promise((resolve) => {
    const started = performance.now();
    const outcome: Outcome = { end: 'cut', status: 0, text: '', firstTokenMs: 0, milliseconds: 0, retryAfterMs: 0 };
    const done = (end: Outcome['end']): void => {
      outcome.end = end;
      outcome.milliseconds = performance.now() - started;
      resolve(outcome);
    };
    const bytes = Buffer.from(JSON.stringify(body));
    const headers = { 'content-type': 'application/json', 'content-length': bytes.length };
    const sent = request(new URL(path, url), { method: 'POST', agent, headers }, (response) => {
      outcome.status = response.statusCode ?? 0;
      outcome.retryAfterMs = Number(response.headers['retry-after'] ?? 0) * 1000;
      let rest = '';
      let isDone = false;
      let isError = false;
      let got = 0;
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        got += piece.length;
        if (got >= leaveAfter) {
          sent.destroy();
          done('left');
          return;
        }
        const frames = (rest + piece).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          if (!frame.startsWith('data: ')) continue;
          const data = frame.slice(6);
          if (data === '[DONE]') isDone = true;
          else {
            const { error, choices } = JSON.parse(data) as Chunk;
            if (error !== undefined) isError = true;
            const text = choices?.[0]?.delta?.content ?? choices?.[0]?.text ?? '';
            if (text !== '' && outcome.firstTokenMs === 0) outcome.firstTokenMs = performance.now() - started;
            outcome.text += text;
          }
        }
      });
      response.on('end', () => {
        if (outcome.status === 429) done('busy');
        else if (outcome.status !== 200 || isError) done('error');
        else done(isDone ? 'whole' : 'cut');
      });
      response.on('error', () => done('cut'));
    });
    sent.on('error', () => {
      // A server may close a kept socket just when it is used again: as every client does, ask once more on another.
      if (sent.reusedSocket && outcome.status === 0) resolve(stream(url, path, body, leaveAfter));
      else done('cut');
    });
    sent.end(bytes);
  });
}

interface Chunk {
  error?: unknown;
  choices?: { delta?: { content?: string }; text?: string }[];
}
