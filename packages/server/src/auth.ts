// API keys: who may ask, and which tenant asks. Comparison takes the same time whatever is wrong.
import { MimoError } from '@mimokit/protocol';

export interface Authenticator {
  /** The tenant of a request, '' when no keys are set. Throws `not-authorized`. */
  tenantOf(headers: Headers): Promise<string>;
}

/** Keys are kept as SHA-256 digests only, and every digest is compared in full. */
export function createAuthenticator(apiKeys: readonly string[] = []): Authenticator {
  for (const key of apiKeys) {
    if (key.length < 1 || key.length > 1024) {
      throw new MimoError('invalid-argument', 'An API key must have 1 to 1,024 characters.', { field: 'apiKeys' });
    }
  }
  if (apiKeys.length === 0) return { tenantOf: async () => '' };
  const digests = Promise.all(apiKeys.map(digestOf));
  return {
    async tenantOf(headers) {
      const given = keyOf(headers);
      const known = await digests;
      const digest = await digestOf(given ?? '');
      let found = -1;
      for (const [index, each] of known.entries()) if (isSame(each, digest)) found = index;
      if (given === undefined || found < 0) {
        throw new MimoError('not-authorized', given === undefined ? 'An API key is needed.' : 'The API key is wrong.', {
          hint: 'Send it as `Authorization: Bearer KEY`, `x-api-key: KEY` or `api-key: KEY`.',
        });
      }
      return `key-${found}`;
    },
  };
}

function keyOf(headers: Headers): string | undefined {
  const bearer = headers.get('authorization');
  const key =
    bearer !== null && bearer.slice(0, 7).toLowerCase() === 'bearer '
      ? bearer.slice(7)
      : (headers.get('x-api-key') ?? headers.get('api-key'));
  return key === null || key === '' || key.length > 1024 ? undefined : key;
}

async function digestOf(key: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key)));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}
