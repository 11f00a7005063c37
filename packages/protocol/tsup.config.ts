import { library } from '../../scripts/library.ts';

export default library({
  index: 'src/index.ts',
  'wire/index': 'src/wire/index.ts',
  'testing/index': 'src/testing/index.ts',
});
