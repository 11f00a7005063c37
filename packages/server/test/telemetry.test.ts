// Spans and metrics as an OpenTelemetry SDK in the same process gets them, and the figures of /metrics beside them.
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { LocalModel } from '@mimokit/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHandler } from '../src/index.ts';
import { openNano } from './nano.ts';

const spans = new InMemorySpanExporter();
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 });
let model: LocalModel;
beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }));
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  model = await openNano();
});
afterAll(() => model.dispose());

test('an answer is a span of the caller’s trace, with its counts and without its text', async () => {
  const handler = createHandler({ models: [model] });
  const post = (body: unknown, headers = {}) =>
    handler(
      new Request('http://localhost/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    );
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const body = { model: 'nano', messages: [{ role: 'user', content: 'Hello' }], stream: true };
  await (await post(body, { traceparent: `00-${traceId}-b7ad6b7169203331-01` })).text();
  const [span] = spans.getFinishedSpans();
  expect(span.name).toBe('chat nano');
  expect(span.spanContext().traceId).toBe(traceId);
  expect(span.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'nano',
    'gen_ai.usage.output_tokens': expect.any(Number),
    'gen_ai.response.finish_reasons': ['stop'],
  });
  expect(JSON.stringify(span.attributes)).not.toContain('Hello');

  expect((await post({ ...body, messages: [{ role: 'user', content: 'word '.repeat(60_000) }] })).status).toBe(400);
  expect(spans.getFinishedSpans()[1].attributes['error.type']).toMatch(/context-overflow|kv-too-small/);

  await reader.forceFlush();
  const names = measured
    .getMetrics()
    .flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap((each) => each.metrics.map(({ descriptor }) => descriptor.name)),
    );
  expect([...new Set(names)].sort()).toEqual([
    'gen_ai.server.request.duration',
    'gen_ai.server.time_per_output_token',
    'gen_ai.server.time_to_first_token',
  ]);

  const text = await (await handler(new Request('http://localhost/metrics'))).text();
  expect(text).toContain('mimokit_answers_total{model="nano",reason="stop"} 1');
  expect(text).toContain('mimokit_answers_total{model="nano",reason="failed"} 1');
  expect(text).toContain('mimokit_requests_total{route="/v1/chat/completions",status="400"} 1');
  expect(text).toContain('mimokit_engine{model="nano",what="windows_live"} 0');
});
