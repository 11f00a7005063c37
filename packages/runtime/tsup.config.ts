import { library } from '../../scripts/library.ts';

export default library({
  index: 'src/index.ts',
  process: 'src/process.ts',
  // Forked by the one above, from the file beside it.
  'process-runner-main': 'src/process-runner-main.ts',
  'testing/index': 'src/testing/index.ts',
});
