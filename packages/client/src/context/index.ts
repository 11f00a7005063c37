// Long conversations within a budget of tokens: policies, and an archive that keeps everything.
export { type Archive, type ArchiveHit, type ArchiveOptions, createArchive } from './archive.ts';
export { discardToolResults, type DiscardOptions } from './discard-results.ts';
export { type ContextOptions, type CutNotice, manageContext, type ManagedModel } from './manage.ts';
export type { Measure } from './measure.ts';
export { keepEverything } from './none.ts';
export type { ContextPolicy, Cut, Fitted, Fitting } from './policy.ts';
export { summariseAndArchive, type SummariseOptions } from './summarise.ts';
export type { Summarise, SummaryInput } from './write-summary.ts';
