import { library } from '../../scripts/library.ts';

export default library({
  index: 'src/index.ts',
  mimo: 'src/mimo.ts',
  pool: 'src/pool.ts',
  // Started by the one above, from the file beside it.
  'encode-worker': 'src/encode-worker.ts',
});
