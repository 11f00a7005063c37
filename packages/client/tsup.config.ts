import { library } from '../../scripts/library.ts';

export default library({
  index: 'src/index.ts',
  'run-tools': 'src/run-tools.ts',
  raw: 'src/raw.ts',
  mcp: 'src/mcp.ts',
  context: 'src/context/index.ts',
});
