import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'

export interface ConfigChoices {
  readonly serverName: string
  /** `file:NAME` or a `postgres://` URI. */
  readonly database: string
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
}

/** `templates/dendrite.yaml` filled in. `root` is the directory of the package. */
export function renderConfig(root: string, choices: ConfigChoices): string {
  const template = readFileSync(join(root, 'templates', 'dendrite.yaml'), 'utf8')
  const values = new Map([
    ['server_name', choices.serverName],
    ['connection_string', choices.database],
    ['tls_cert', choices.tls?.cert ?? ''],
    ['tls_key', choices.tls?.key ?? ''],
  ])
  // JSON's strings are YAML's.
  return template.replace(/"\{\{(\w+)\}\}"/g, (_, name: string) => JSON.stringify(values.get(name) ?? ''))
}

/**
 * A configuration for automated tests, as one YAML document: open registration (with the flag of `serve`), presence
 * both ways, no limits, no notaries, no checks of certificates, cheap hashes, and all files in `dir`.
 */
export function renderTestConfig(choices: { dir: string; database?: string | undefined; serverName: string }): string {
  const dir = resolve(choices.dir)
  const database = choices.database ?? `file:${join(dir, 'dendrite.db')}`
  return stringify({
    version: 2,
    global: {
      server_name: choices.serverName,
      private_key: join(dir, 'matrix_key.pem'),
      old_private_keys: [],
      key_validity_period: '168h0m0s',
      database: { connection_string: database },
      trusted_third_party_id_servers: ['*'],
      disable_federation: false,
      presence: { enable_inbound: true, enable_outbound: true },
    },
    app_service_api: { disable_tls_validation: true, config_files: [] },
    client_api: {
      registration_disabled: false,
      registration_shared_secret: 'complement',
      guests_disabled: false,
      rate_limiting: { enabled: false },
    },
    federation_api: {
      disable_tls_validation: true,
      send_max_retries: 8,
      key_perspectives: [],
      deny_networks: [],
      allow_networks: ['0.0.0.0/0', '::/0'],
    },
    media_api: {
      base_path: join(dir, 'media_store'),
      unauthenticated_downloads: true,
      url_previews: { enabled: true, ports: [] },
    },
    room_server: { default_room_version: '12' },
    sync_api: { search: { enabled: true } },
    user_api: { bcrypt_cost: 4, password_hashing: 'cheap', push_gateway_disable_tls_validation: true },
    logging: [{ type: 'std', level: 'info' }],
  })
}
