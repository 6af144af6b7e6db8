import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { renderConfig } from './config-files.ts'
import { writeNewFile } from './files.ts'
import { makeSigningKey, makeTlsFiles } from './make-keys.ts'

const CERTIFICATE = 'server.crt'
const CERTIFICATE_KEY = 'server.key'
const CONFIG_MODE = 0o600

/**
 * Sets up a server in an empty directory: configuration, signing key, self-signed certificate. What exists is kept, so
 * that an interrupted start is completed by the next; the configuration comes last. `note` hears what was done.
 */
export async function prepareFirstStart(
  dir: string,
  options: { root: string; serverName: string; note: (line: string) => void },
): Promise<string> {
  mkdirSync(dir, { recursive: true })
  const keyPath = join(dir, 'matrix_key.pem')
  if (!existsSync(keyPath)) options.note(`signing key    ${makeSigningKey(keyPath).path}`)
  const tls = { cert: join(dir, CERTIFICATE), key: join(dir, CERTIFICATE_KEY) }
  if (!existsSync(tls.cert) || !existsSync(tls.key)) {
    const names = [...new Set([options.serverName.replace(/:\d+$/, ''), 'localhost', '127.0.0.1', '::1'])]
    await makeTlsFiles(tls, { names, force: true })
    options.note(`certificate    ${tls.cert} (self-signed: other servers will not accept it)`)
  }
  const configPath = join(dir, 'dendrite.yaml')
  const choices = {
    serverName: options.serverName,
    database: 'file:dendrite.db',
    tls: { cert: CERTIFICATE, key: CERTIFICATE_KEY },
  }
  writeNewFile(configPath, renderConfig(options.root, choices), { mode: CONFIG_MODE })
  options.note(`configuration  ${configPath}`)
  return configPath
}
