// Answers as OpenTelemetry spans and metrics, through the API package alone: without an SDK in the process nothing is recorded.
// Names and attributes are those of the GenAI conventions; they are in development, so they are written in this one file.
// Prompts and answers are never attributes.
import {
  type Attributes,
  context,
  metrics,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { isMimoError, type Usage } from '@mimokit/protocol';
import type { AnswerMeter } from './metrics.ts';

const scope = '@mimokit/server';

export interface AnswerTelemetry {
  /** `chat` or `text_completion`. */
  operation: string;
  model: string;
  /** Of the request: a trace that the caller began goes on. */
  headers: Headers;
}

/** Measures like `meter`, and tells whoever listens. */
export function withTelemetry(meter: AnswerMeter, { operation, model, headers }: AnswerTelemetry): AnswerMeter {
  const attributes: Attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': 'mimokit',
    'gen_ai.request.model': model,
    'gen_ai.response.model': model,
  };
  const parent = propagation.extract(context.active(), headers, {
    get: (carrier, key) => carrier.get(key) ?? undefined,
    keys: (carrier) => [...carrier.keys()],
  });
  const span = trace.getTracer(scope).startSpan(`${operation} ${model}`, { kind: SpanKind.SERVER, attributes }, parent);
  const histograms = histogramsOfServer();
  const started = performance.now();
  let firstAt: number | undefined;
  let isOver = false;
  return {
    arrived() {
      if (firstAt === undefined) {
        firstAt = performance.now();
        histograms.firstToken.record((firstAt - started) / 1000, attributes);
      }
      meter.arrived();
    },
    finished(reason, usage) {
      span.setAttributes(usageAttributes(usage));
      span.setAttribute('gen_ai.response.finish_reasons', [reason]);
      if (usage.completionTokens > 1 && firstAt !== undefined) {
        const seconds = (performance.now() - firstAt) / 1000;
        histograms.perToken.record(seconds / (usage.completionTokens - 1), attributes);
      }
      meter.finished(reason, usage);
    },
    end(error) {
      meter.end(error);
      if (isOver) return;
      isOver = true;
      if (error !== undefined) fail(span, error);
      const failed = error === undefined ? attributes : { ...attributes, 'error.type': typeOf(error) };
      histograms.duration.record((performance.now() - started) / 1000, failed);
      span.end();
    },
  };
}

function usageAttributes(usage: Usage): Attributes {
  return {
    'gen_ai.usage.input_tokens': usage.promptTokens,
    'gen_ai.usage.output_tokens': usage.completionTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cachedTokens,
  };
}

function fail(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute('error.type', typeOf(error));
}

function typeOf(error: unknown): string {
  return isMimoError(error) ? error.code : 'internal';
}

interface Histograms {
  duration: ReturnType<ReturnType<typeof metrics.getMeter>['createHistogram']>;
  firstToken: Histograms['duration'];
  perToken: Histograms['duration'];
}

/** Asked for anew each time: an SDK may be set up after the first request. The SDK gives the same instruments again. */
function histogramsOfServer(): Histograms {
  const meter = metrics.getMeter(scope);
  const seconds = (name: string): Histograms['duration'] =>
    meter.createHistogram(`gen_ai.server.${name}`, { unit: 's' });
  return {
    duration: seconds('request.duration'),
    firstToken: seconds('time_to_first_token'),
    perToken: seconds('time_per_output_token'),
  };
}
