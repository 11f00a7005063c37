import { library } from '../../scripts/library.ts';

export default library({ main: 'src/main.ts' }, { platform: 'node', dts: false });
