// MiMo-V2's own way to write calls: functions and parameters as tags, values verbatim.
import type { CallGrammar } from './call-grammar.ts';
import { TagCallResolver } from './tag-call-resolver.ts';
import { TagCallScan } from './tag-call-scan.ts';
import { functionOpen } from './tag-scanner.ts';

export const tagCalls: CallGrammar = {
  name: 'tags',
  opener: functionOpen,
  scan: (context) => new TagCallScan(context),
  resolver: (context, text, isFinal) => new TagCallResolver(context, text, isFinal),
};
