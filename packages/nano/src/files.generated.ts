// Sizes and hashes of the model's files. Written by train/export.py; do not edit.
export const files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[] = [
  { name: 'model.safetensors', bytes: 3536488, sha256: 'c3c627688fa7120bfe5d8479446dd5bcda26a9ab3288bb30ea23b22bc893f6f5' },
  { name: 'config.json', bytes: 1923, sha256: 'c2d20c56469cd9bc6c6c196bcab8d769e677a66f1d7ce27b51aecd8e2098bc86' },
  { name: 'generation_config.json', bytes: 93, sha256: '9aae3fb3cb98ebe0f2d22d04f3879a22d25f34a5fe8bc7e2bebda5504c7815c3' },
  { name: 'tokenizer.json', bytes: 55494, sha256: '1c062b3899ed43a7970412adc2bfc19154233c14a536ebd4d46a872529a56980' },
  { name: 'tokenizer_config.json', bytes: 1952, sha256: 'c9ce91fd0c1838f64383c8ba98b65564c62707464bdb8b57bde931fb94c5d130' },
  { name: 'demo-tools.json', bytes: 1039, sha256: '55ff72a6bb40c37a74cb6d05593708e98d469739749d7ac456fd2ed55c872b02' },
];
