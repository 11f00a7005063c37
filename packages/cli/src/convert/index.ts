// What @mimokit/cli/convert offers: `mimokit convert` for programs. Node only.
export { type ConvertedModel, convertModel, type ConvertOptions, type ConvertProgress } from './convert-model.ts';
