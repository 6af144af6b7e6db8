import { type Static, Type } from '@sinclair/typebox'
import { clientApi, federationApi, mediaApi, userApi } from './schema-apis.ts'
import { choice, duration, flag, ignored, list, number, secret, section, size, text } from './schema-types.ts'

/**
 * `dendrite.yaml` version 2: the Go Dendrite's format, and our own keys. Each key has its type, default and
 * description here; the loader, `config show` and the manual are made from it. `load.ts` fills in the defaults and
 * turns
 * durations into milliseconds and sizes into bytes. Relative paths start from the data directory (`dir` of `openApp`).
 */
export const ConfigSchema = Type.Object(
  {
    version: Type.Integer({ description: 'Version of the format.', minimum: 2, maximum: 2, default: 2 }),
    global: global(),
    http: http(),
    app_service_api: section('Application services (bridges, bots).', {
      config_files: list(Type.String(), [], 'Registration files of application services.'),
      disable_tls_validation: flag(false, 'Accept any certificate from application services. Only for tests.'),
      legacy_auth: flag(false, 'Also send the token as `access_token` in the query.'),
      legacy_paths: flag(false, 'Use the paths from before `/_matrix/app/v1`.'),
      database: componentDatabase(),
    }),
    client_api: clientApi(),
    federation_api: federationApi(componentDatabase()),
    key_server: ignored('One database holds everything.'),
    media_api: mediaApi(componentDatabase()),
    mscs: ignored('Experiments are not switched by number here.'),
    relay_api: ignored('Relays are not implemented.'),
    room_server: section('Rooms.', {
      default_room_version: text('12', 'Room version of new rooms when the client names none.', { minLength: 1 }),
      enable_ephemeral_messages: flag(
        false,
        'Messages may name a time (MSC2228) at which their content is gone from this server for good.',
      ),
      retention: retention(),
      database: componentDatabase(),
    }),
    sync_api: section('Synchronisation and search.', {
      real_ip_header: text('', 'Header in which the reverse proxy names the client. Prefer `http.trusted_proxies`.'),
      search: section('Full-text search.', {
        enabled: flag(true, 'Index messages, so that `/search` finds them.'),
        language: text('en', 'Language of the index.'),
        index_path: ignored('The index stands in the database.'),
        in_memory: ignored('The index stands in the database.'),
      }),
      database: componentDatabase(),
    }),
    user_api: userApi(componentDatabase()),
    logging: list(
      Type.Object({
        type: choice(['std', 'file'], 'std', 'Kind of output.'),
        level: choice(['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'], 'info', 'Least level.'),
        params: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
      }),
      [{ type: 'std', level: 'info' }],
      'Where logs go: `std` (standard error), or `file`: `dendrite.log` in the directory `params.path`.',
    ),
    tracing: ignored('OpenTracing is not implemented.'),
  },
  { description: 'dendrite.yaml' },
)

/** The configuration as the program uses it: complete, durations in milliseconds, sizes in bytes. */
export type Config = Static<typeof ConfigSchema>

function global() {
  return section('What the whole server needs.', {
    server_name: Type.String({
      description: 'The name in user and room ids. It cannot be changed once the database exists.',
      minLength: 1,
      maxLength: 230,
    }),
    private_key: text('matrix_key.pem', 'File with the key that signs our events and requests.', { minLength: 1 }),
    old_private_keys: list(oldKey(), [], 'Keys that signed earlier and were replaced.'),
    key_validity_period: duration('168h0m0s', 'How long others may trust our published key.'),
    database: section('The one database.', {
      connection_string: secret('file:dendrite.db', '`file:NAME` for SQLite, or a `postgres://` URI.'),
      max_open_conns: number(20, 'Most connections to PostgreSQL.', { minimum: 2 }),
      max_idle_conns: number(2, 'Connections kept open when idle.', { minimum: -1 }),
      conn_max_lifetime: number(-1, 'Seconds after which a connection is replaced; -1: never.', { minimum: -1 }),
      auto_migrate: flag(true, 'Bring the schema up to date when the server starts.'),
      log_max_age: duration('720h0m0s', 'How long the log is kept for clients and servers that come back late.'),
      redacted_max_age: duration('168h0m0s', 'How long the original of a redacted event is kept.'),
    }),
    cache: section('Memory for what is read often.', {
      max_size_estimated: size('64mb', 'About how much memory the caches take.'),
      max_age: duration('1h0m0s', 'Entries unused for so long are dropped.'),
    }),
    well_known_server_name: text('', 'Host (and port) where other servers find us: `/.well-known/matrix/server`.'),
    well_known_client_name: text('', 'Base URL for clients: `/.well-known/matrix/client`.', {
      pattern: '^$|^https?://',
    }),
    well_known_sliding_sync_proxy: text('', 'URL of a sliding sync proxy, announced to old clients.'),
    well_known_support_email: text('', 'Contact for administrators of other servers.'),
    well_known_support_page: text('', 'Page for users who need help.'),
    trusted_third_party_id_servers: list(
      Type.String(),
      ['matrix.org', 'vector.im'],
      'Identity servers that users may name; `*`: any.',
    ),
    disable_federation: flag(false, 'Talk to no other server.'),
    presence: section('Who is online. Costs traffic with federation.', {
      enable_inbound: flag(false, 'Take presence from other servers.'),
      enable_outbound: flag(false, 'Send presence of our users.'),
    }),
    report_stats: ignored('This server reports to nobody.'),
    server_notices: section('Notices from the server to its users.', {
      enabled: flag(false, 'Switch them on.'),
      local_part: text('_server', 'Local part of the sender.'),
      display_name: text('Server Alerts', 'Display name of the sender.'),
      avatar_url: text('', 'Avatar of the sender, `mxc://…`.'),
      room_name: text('Server Alerts', 'Name of the room.'),
    }),
    jetstream: ignored('There is no message broker: the database is the log.'),
    metrics: section('Prometheus metrics at `/metrics`.', {
      enabled: flag(false, 'Switch them on.'),
      basic_auth: section('Who may read them; empty: whoever reaches the port.', {
        username: text('', 'User name.'),
        password: secret('', 'Password.'),
      }),
    }),
    sentry: ignored('This server reports to nobody.'),
    dns_cache: section('Remembered addresses of other servers.', {
      enabled: flag(true, 'Remember them.'),
      cache_size: number(256, 'Most names remembered.', { minimum: 1 }),
      cache_lifetime: duration('5m0s', 'How long a name is remembered.'),
    }),
  })
}

function retention() {
  return section('How long messages are kept (MSC1763). State, and the newest of each room, stay. 0: no limit.', {
    enabled: flag(false, 'Take old messages from rooms whose `m.room.retention` says so, or the policy below.'),
    default_policy: section('For every room: of its own policy and this one the shorter time counts.', {
      max_lifetime: duration('0', 'Messages are shown for so long, and then gone for good.'),
      min_lifetime: duration('0', 'They are kept for so long at least, unless the room promises another time.'),
    }),
    allowed_lifetime_min: duration('24h0m0s', 'However short a time a room asks for, messages stay for so long.'),
    allowed_lifetime_max: duration('0', 'However long a time a room promises, its messages go after so long.'),
    purge_interval: duration('1h0m0s', 'So often the content of what is shown no more is taken from the database.'),
  })
}

function oldKey() {
  return Type.Object({
    private_key: Type.Optional(Type.String()),
    public_key: Type.Optional(Type.String()),
    key_id: Type.Optional(Type.String()),
    expired_at: Type.Integer({ description: 'When it was last used, milliseconds since 1970.' }),
  })
}

function http() {
  return section('Where the server listens (ours; the flags of `serve` win).', {
    bind_address: text(':8008', 'HTTP. Empty: none.'),
    tls_bind_address: text(':8448', 'HTTPS; opened when certificate and key are given.'),
    tls_cert: text('', 'File with the certificate chain.'),
    tls_key: text('', 'File with its key.'),
    unix_socket: text('', 'Path of a unix socket, instead of the ports.'),
    trusted_proxies: list(
      Type.String(),
      ['127.0.0.1', '::1'],
      'Addresses or networks whose `X-Forwarded-For` is believed.',
    ),
  })
}

function componentDatabase() {
  return ignored('One database holds everything: `global.database`.')
}
