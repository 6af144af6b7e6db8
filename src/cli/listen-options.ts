import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../config/schema.ts'
import { CommandError, EXIT } from './exit-codes.ts'

export interface ListenOptions {
  http?: { host: string; port: number }
  https?: { host: string; port: number; cert: string; key: string }
  unixSocket?: string
}

export interface ListenFlags {
  readonly 'http-bind-address'?: string | undefined
  readonly 'https-bind-address'?: string | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
  readonly 'unix-socket'?: string | undefined
}

/**
 * Where to listen: the flags win over the configuration; a unix socket replaces the ports. `cert` and `key` are PEM.
 * Errors: CommandError (usage, or a certificate that cannot be read).
 */
export function listenOptions(flags: ListenFlags, config: Config, dir: string): ListenOptions {
  const { http } = config
  const unixSocket = flags['unix-socket'] ?? http.unix_socket
  if (unixSocket !== '') return { unixSocket: resolve(dir, unixSocket) }
  const options: ListenOptions = {}
  const httpAddress = flags['http-bind-address'] ?? http.bind_address
  if (httpAddress !== '') options.http = parseAddress(httpAddress)
  const certFile = flags['tls-cert'] ?? http.tls_cert
  const keyFile = flags['tls-key'] ?? http.tls_key
  const httpsAddress = flags['https-bind-address'] ?? http.tls_bind_address
  if (certFile !== '' && keyFile !== '' && httpsAddress !== '') {
    // Paths from the command line start where the person is, those of the configuration in its directory.
    const cert = readPem(flags['tls-cert'] === undefined ? resolve(dir, certFile) : certFile)
    const key = readPem(flags['tls-key'] === undefined ? resolve(dir, keyFile) : keyFile)
    options.https = { ...parseAddress(httpsAddress), cert, key }
  }
  if (options.http === undefined && options.https === undefined) {
    throw new CommandError('There is nowhere to listen: no HTTP address, and no certificate for HTTPS.', {
      exit: EXIT.config,
      code: 'NO_LISTENER',
    })
  }
  return options
}

const ALL_ADDRESSES = '::'
const MAX_PORT = 65_535

/** `:8008`, `127.0.0.1:8008`, `[::1]:8008` or `8008`. */
export function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port > MAX_PORT) {
    throw new CommandError(`"${text}" is no address to listen on.`, {
      exit: EXIT.usage,
      code: 'USAGE',
      suggestion: 'write :8008, or 127.0.0.1:8008',
    })
  }
  return { host: match[1] || match[2] || ALL_ADDRESSES, port }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
      exit: EXIT.config,
      code: 'TLS_FILE',
      suggestion: 'make one with `dendrite generate-keys --tls-cert … --tls-key …`',
    })
  }
}
