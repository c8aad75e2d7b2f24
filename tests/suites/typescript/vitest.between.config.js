// Configuration of vitest for test/e2e of the TypeScript SDK, where it is copied to with between.ts:
// the tests get their connections from between.ts.

import { fileURLToPath } from 'node:url';

import { mergeConfig } from 'vitest/config';

import ownConfig from './vitest.config.js';

const between = fileURLToPath(new URL('./between.ts', import.meta.url));

const replaceWiring = {
    name: 'replace-wiring',
    enforce: 'pre',
    resolveId(source, importer) {
        const wiring = source.endsWith('/helpers/index') && importer?.includes('/scenarios/');
        return wiring ? between : undefined;
    }
};

export default mergeConfig(ownConfig, {
    plugins: [replaceWiring],
    test: { testTimeout: 30_000, silent: true, maxWorkers: 2 }
});
