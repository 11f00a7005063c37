// The tests of this package run in Node and, but for those named here, in a browser.
import { nodeAndChromium } from '../../vitest.browser.ts';

export default nodeAndChromium(['test/bundle.test.ts', 'test/oracle.test.ts']);
