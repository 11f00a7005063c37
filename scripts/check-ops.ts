// One op, one name, everywhere: the methods of trait Backend, a reference file, a CPU file, a word in runner-js, a heading in
// docs/kernels.md.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, sourcesBelow } from './tree.ts';

const ops = [
  'embed',
  'qkv_rope',
  'attn_global',
  'attn_window',
  'o_proj',
  'dense_ffn',
  'router',
  'moe',
  'mtp_join',
  'lm_head',
  'pick',
  'kv_copy',
];
const read = (...parts: string[]): string => readFileSync(join(root, ...parts), 'utf8');
const camel = (name: string): string => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const trait = read('crates', 'mimokit_model', 'src', 'backend.rs');
const page = read('docs', 'kernels.md');
const runnerJs = sourcesBelow(join(root, 'packages', 'runner-js', 'src'), ['.ts'])
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

const problems: string[] = [];
for (const op of ops) {
  if (!new RegExp(`fn ${op}\\b`).test(trait)) problems.push(`trait Backend has no ${op}`);
  if (!existsSync(join(root, 'crates', 'mimokit_reference', 'src', 'ops', `${op}.rs`)))
    problems.push(`mimokit_reference has no ops/${op}.rs`);
  if (!existsSync(join(root, 'crates', 'mimokit_cpu', 'src', 'ops', `${op}.rs`)))
    problems.push(`mimokit_cpu has no ops/${op}.rs`);
  if (!new RegExp(`function ${camel(op)}\\b`).test(runnerJs)) problems.push(`runner-js has no function ${camel(op)}`);
  if (!page.includes(`## ${op}\n`)) problems.push(`docs/kernels.md has no heading ${op}`);
}

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
