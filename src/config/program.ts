import manifest from '../../package.json' with { type: 'json' }

/** What the program calls itself to other servers and in its logs. */
export const PROGRAM = { name: 'Dendrite', version: manifest.version }
