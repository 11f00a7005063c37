// Frames → a response of server-sent events. Pulled by the reader, so nothing piles up here; a reader that leaves or stalls
// ends the work behind the frames. What a frame says is the APIs' business.

export interface SseOptions {
  /** Called once, when the stream is over for whatever reason. */
  onClose: (how: 'done' | 'left' | 'stalled' | 'failed') => void;
  /** A last frame for an error in mid-stream. */
  failureFrame: (error: unknown) => string;
  keepAliveMs: number;
  slowReaderMs: number;
  headers: Readonly<Record<string, string>>;
}

const encoder = new TextEncoder();
const keepAlive = encoder.encode(': keep-alive\n\n');

/** A stream's headers go out with its first frame or keep-alive; `frames` is left with `return()` when the reader goes. */
export function sseResponse(frames: AsyncIterator<string>, options: SseOptions): Response {
  const { keepAliveMs, slowReaderMs } = options;
  let lastSent = performance.now();
  /** Since when the reader has not asked for more; undefined while it waits for us. */
  let unread: number | undefined;
  let isOver = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  function close(how: Parameters<SseOptions['onClose']>[0]): void {
    if (isOver) return;
    isOver = true;
    clearInterval(timer);
    options.onClose(how);
    if (how !== 'done' && how !== 'failed') void frames.return?.()?.catch(() => {});
  }

  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(
        () => {
          const now = performance.now();
          if (unread !== undefined) {
            if (now - unread < slowReaderMs) return;
            close('stalled');
            controller.error(new Error('The reader stalled.'));
          } else if (now - lastSent >= keepAliveMs) {
            lastSent = now;
            controller.enqueue(keepAlive);
          }
        },
        Math.max(10, Math.min(keepAliveMs, slowReaderMs) / 2),
      );
      // A forgotten stream must not keep a process alive.
      if (typeof timer === 'object' && 'unref' in timer) timer.unref();
    },
    async pull(controller) {
      unread = undefined;
      try {
        const { done, value } = await frames.next();
        if (isOver) return;
        if (done === true) {
          close('done');
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(value));
      } catch (error) {
        if (isOver) return;
        controller.enqueue(encoder.encode(options.failureFrame(error)));
        close('failed');
        controller.close();
        return;
      }
      lastSent = performance.now();
      unread = lastSent;
    },
    cancel: () => close('left'),
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      ...options.headers,
    },
  });
}
