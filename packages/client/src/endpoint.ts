// Where a request goes and how it is signed: preset, address, headers.
import { MimoError } from '@mimokit/protocol';
import { type Preset, type PresetName, presets } from './presets.ts';

export interface EndpointOptions {
  /** Everything before the route (`/chat/completions`); may be left out when the preset has one. */
  baseURL?: string;
  /** Default: `mimo` for Xiaomi's hosts and without a baseURL, else `mimokit`. */
  preset?: PresetName | Preset;
  apiKey?: string;
  /** Further request headers; they win over the client's own. */
  headers?: Readonly<Record<string, string>>;
}

export function choosePreset(options: EndpointOptions): Preset {
  if (typeof options.preset === 'object') return options.preset;
  if (options.preset !== undefined) return presets[options.preset];
  if (options.baseURL === undefined) return presets.mimo;
  const host = URL.parse(options.baseURL)?.hostname ?? '';
  return host === 'xiaomimimo.com' || host.endsWith('.xiaomimimo.com') ? presets.mimo : presets.mimokit;
}

/** Throws `invalid-argument` for what is no http address. */
export function routeUrl(baseURL: string | undefined, route: string): string {
  const parsed = baseURL === undefined ? null : URL.parse(baseURL);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new MimoError(
      'invalid-argument',
      `baseURL is ${baseURL ?? 'missing'}; it must be an http or https address.`,
      {
        hint: "For example 'http://127.0.0.1:30000/v1'.",
        field: 'baseURL',
      },
    );
  }
  let path = parsed.pathname;
  while (path.endsWith('/')) path = path.slice(0, -1);
  parsed.pathname = path + route;
  return parsed.href;
}

export function buildHeaders(options: EndpointOptions, preset: Preset, stream: boolean): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: stream ? 'text/event-stream, application/json' : 'application/json',
  };
  if (options.apiKey !== undefined) {
    if (preset.auth === 'api-key') headers['api-key'] = options.apiKey;
    else headers['authorization'] = `Bearer ${options.apiKey}`;
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value;
  return headers;
}
