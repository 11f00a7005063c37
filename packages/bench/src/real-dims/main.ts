// Makes checkpoints with MiMo-V2-Flash's real dimensions in .cache/real-dims, for the benches of kernels, layers and opening:
//   pnpm --filter @mimokit/bench run real-dims [layers] [shell]    makes them; what is there already is kept
//   pnpm --filter @mimokit/bench run real-dims clean               removes them
// layers: a global and a sliding layer with 256 experts each (the same file), layer 0 with an MTP head: 10 GB on the disk.
// shell: all 48 layers and three heads, 313 GB of holes: a few MB on the disk.
import { linkSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import {
  config,
  embedding,
  expertTensors,
  finalTensors,
  fullLayers,
  layerTensors,
  mtpTensors,
  type AttentionKind,
  type TensorSpec,
} from './tensors.ts';
import { writeSafetensors } from './write.ts';

type Shards = Record<string, TensorSpec[]>;

const folder = fileURLToPath(new URL('../../../../.cache/real-dims/', import.meta.url));
const layersBytes = 10e9;

function writeCheckpoint(
  name: string,
  layers: readonly { kind: AttentionKind; moe: boolean }[],
  own: Shards,
  shared: Shards = {},
): void {
  const directory = join(folder, name);
  mkdirSync(directory, { recursive: true });
  let bytes = 0;
  for (const [file, tensors] of Object.entries(own)) bytes += writeSafetensors(join(directory, file), tensors);
  for (const [file, tensors] of Object.entries(shared)) {
    bytes += writeSafetensors(join(folder, file), tensors);
    rmSync(join(directory, file), { force: true });
    linkSync(join(folder, file), join(directory, file));
  }
  const shards = Object.entries({ ...own, ...shared });
  const map = Object.fromEntries(shards.flatMap(([file, tensors]) => tensors.map((tensor) => [tensor.name, file])));
  const index = { metadata: { total_size: bytes }, weight_map: map };
  writeFileSync(join(directory, 'model.safetensors.index.json'), JSON.stringify(index));
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config(layers), null, 2));
  console.log(`${directory}: ${Object.keys(map).length} tensors, ${(bytes / 1e9).toFixed(2)} GB`);
}

function makeLayers(): void {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < 1.2 * layersBytes) throw new Error(`The disk has too little room for ${layersBytes / 1e9} GB.`);
  // Of the embedding nothing is read in a layer: a hole.
  const ends: Shards = {
    'model_embedding.safetensors': [{ ...embedding, fill: 'hole' }],
    'model_final.safetensors': finalTensors,
  };
  const experts: Shards = {
    'model_0_linear_fc1.safetensors': expertTensors(0, 'fc1'),
    'model_0_linear_fc2.safetensors': expertTensors(0, 'fc2'),
  };
  for (const kind of ['global', 'sliding'] as const) {
    const own = { 'model_0.safetensors': layerTensors(0, kind, true) };
    writeCheckpoint(`${kind}-moe`, [{ kind, moe: true }], own, { ...ends, ...experts });
  }
  const own = { 'model_0.safetensors': layerTensors(0, 'global', false), 'model_mtp.safetensors': mtpTensors(0) };
  writeCheckpoint('dense-mtp', [{ kind: 'global', moe: false }], own, ends);
}

function makeShell(): void {
  const hole = (tensors: TensorSpec[]): TensorSpec[] => tensors.map((tensor) => ({ ...tensor, fill: 'hole' }));
  const shards: Shards = {
    'model_embedding.safetensors': hole([embedding]),
    'model_final.safetensors': hole(finalTensors),
    'model_mtp.safetensors': hole([0, 1, 2].flatMap(mtpTensors)),
  };
  for (const [layer, { kind, moe }] of fullLayers.entries()) {
    shards[`model_${layer}.safetensors`] = hole(layerTensors(layer, kind, moe));
    for (const part of moe ? (['fc1', 'fc2'] as const) : [])
      shards[`model_${layer}_linear_${part}.safetensors`] = hole(expertTensors(layer, part));
  }
  writeCheckpoint('shell', fullLayers, shards);
}

const wanted = process.argv.slice(2);
const makers: Record<string, () => void> = {
  layers: makeLayers,
  shell: makeShell,
  clean: () => rmSync(folder, { recursive: true, force: true }),
};
for (const name of wanted.length > 0 ? wanted : ['layers', 'shell']) {
  const make = makers[name];
  if (make === undefined) throw new Error(`There is no ${name}; known: ${Object.keys(makers).join(', ')}`);
  make();
}
