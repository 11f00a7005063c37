import { library } from '../../scripts/library.ts';

export default library({ main: 'src/main.ts', convert: 'src/convert/index.ts' }, { platform: 'node' });
