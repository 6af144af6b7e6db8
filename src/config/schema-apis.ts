import { type TSchema, Type } from '@sinclair/typebox'
import { getLoginToken, jwt, oauth, sso } from './schema-login.ts'
import { choice, duration, flag, ignored, list, number, secret, section, size, text } from './schema-types.ts'

const PRIVATE_NETWORKS = [
  '127.0.0.1/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1/128',
  'fe80::/64',
  'fc00::/7',
]

export function clientApi() {
  return section('What clients may do.', {
    registration_disabled: flag(true, 'Nobody may register, except by the shared secret.'),
    registration_requires_token: flag(false, 'Registering takes a registration token.'),
    registration_shared_secret: secret('', 'Secret of `/_synapse/admin/v1/register`; empty: switched off.'),
    guests_disabled: flag(true, 'Nobody may register as a guest.'),
    enable_registration_captcha: flag(false, 'Registering takes a solved captcha.'),
    recaptcha_public_key: text('', 'Site key of the captcha.'),
    recaptcha_private_key: secret('', 'Secret key of the captcha.'),
    recaptcha_bypass_secret: secret('', 'Answer that is always accepted; empty: none.'),
    recaptcha_siteverify_api: text('', 'URL that checks an answer; empty: Google.'),
    recaptcha_api_js_url: text('', 'URL of the script; empty: Google.'),
    recaptcha_form_field: text('', 'Field of the form that holds the answer.'),
    recaptcha_sitekey_class: text('', 'Class of the HTML element.'),
    terms: list(terms(), [], 'Documents that who registers has to agree to.'),
    get_login_token: getLoginToken(),
    jwt: jwt(),
    oauth: oauth(),
    sso: sso(),
    email: email(),
    msisdn: section(
      'Telephone numbers of users. An identity server of the administrator proves them by text messages.',
      {
        identity_server: text('', 'Its base URL; empty: no numbers.', { pattern: '^$|^https?://' }),
        identity_token: secret('', 'Access token there.'),
      },
    ),
    turn: section('Relays for calls.', {
      turn_user_lifetime: duration('5m0s', 'How long the credentials are good.'),
      turn_uris: list(Type.String(), [], 'Addresses, `turn:…`; empty: no relay.'),
      turn_shared_secret: secret('', 'Secret shared with the relay.'),
      turn_username: text('', 'Fixed user name, instead of the secret.'),
      turn_password: secret('', 'Its password.'),
    }),
    rate_limiting: section('Limits for clients. Administrators and application services are exempt.', {
      enabled: flag(true, 'Switch them on.'),
      threshold: number(20, 'Requests in a row before the limit is felt.', { minimum: 1 }),
      cooloff_ms: number(500, 'Milliseconds after which one more is allowed.', { minimum: 1 }),
      exempt_user_ids: list(Type.String(), [], 'Users without limits.'),
    }),
  })
}

function email() {
  return section('Mail to users: to prove an address, to set a new password, and of what they have not read.', {
    smtp_host: text('', 'Mail server; empty: no mail is sent.'),
    smtp_port: number(587, 'Its port.', { minimum: 1, maximum: 65_535 }),
    smtp_security: choice(
      ['starttls', 'tls', 'none'],
      'starttls',
      '`tls` from the start (port 465), or `none` at all.',
    ),
    smtp_username: text('', 'User name; empty: nobody logs in.'),
    smtp_password: secret('', 'Its password.'),
    smtp_timeout: duration('15s', 'How long somebody waits until the server has taken a mail.'),
    disable_tls_validation: flag(false, 'Accept any certificate from the mail server. Only for tests.'),
    from: text('', 'Sender, as `Example <matrix@example.org>`.'),
    required_to_register: flag(false, 'Registering takes an e-mail address.'),
    next_link_hosts: list(
      Type.String(),
      [],
      'Hosts to which clients may lead who has confirmed an address; empty: any.',
    ),
    notify_after: duration('10m0s', 'How long something stays unread before who asked for it gets a mail.'),
    room_links: text(
      'https://matrix.to/#/',
      'What the links of such mails begin with, before the room; of Element: `https://app.element.io/#/room/`.',
      { pattern: '^https?://' },
    ),
  })
}

function terms() {
  const text = Type.Object({ name: Type.String({ minLength: 1 }), url: Type.String({ pattern: '^https?://' }) })
  return Type.Object({
    id: Type.String({ description: 'A name for programs, as `privacy_policy`.', pattern: '^[a-zA-Z0-9._-]+$' }),
    version: Type.String({ description: 'Its version.', minLength: 1 }),
    languages: Type.Record(Type.String(), text, { description: 'Name and URL, by language, as `en`.' }),
  })
}

export function federationApi<D extends TSchema>(database: D) {
  return section('Other servers.', {
    send_max_retries: number(16, 'Failures after which a server is taken for gone until it speaks again.', {
      minimum: 1,
    }),
    disable_tls_validation: flag(false, 'Accept any certificate from other servers. Only for tests.'),
    disable_http_keepalives: flag(false, 'A new connection for each request.'),
    prefer_direct_fetch: flag(false, 'Ask a server itself for its keys before the notaries.'),
    key_perspectives: list(
      Type.Object({
        server_name: Type.String(),
        keys: Type.Array(Type.Object({ key_id: Type.String(), public_key: Type.String() }), { default: [] }),
      }),
      [],
      'Notary servers.',
    ),
    deny_networks: list(Type.String(), PRIVATE_NETWORKS, 'Networks never contacted for others.'),
    allow_networks: list(Type.String(), ['0.0.0.0/0', '::/0'], 'Networks that may be; `deny_networks` wins.'),
    dns_servers: list(
      Type.String(),
      [],
      "Name servers to ask for other servers, as `192.0.2.1` or `192.0.2.1:5353` (ours); none: the system's.",
    ),
    enable_relays: ignored('Relays are not implemented.'),
    p2p_retries_until_assumed_offline: ignored('Relays are not implemented.'),
    database,
  })
}

export function mediaApi<D extends TSchema>(database: D) {
  return section('Uploaded files.', {
    base_path: text('media_store', 'Directory of the files.', { minLength: 1 }),
    max_file_size_bytes: number(52_428_800, 'Largest upload; 0: any size, in S3 five GiB.', { minimum: 0 }),
    user_limits: userLimits(),
    unauthenticated_downloads: flag(false, 'Serve files at the paths of before Matrix 1.11 too, to anybody.'),
    s3: s3(),
    retention: section('Files that nobody has asked for so long are forgotten; 0: never.', {
      local: duration('0', 'Files of this server: they are gone for good.'),
      remote: duration('0', 'Files of other servers: asked for again, they are fetched anew.'),
      previews: duration('168h0m0s', 'Images of previews of pages, for thirty hours at least: they are fetched anew.'),
    }),
    url_previews: section('Previews of the pages that messages link to.', {
      enabled: flag(
        false,
        'Fetch pages for clients. Networks that federation_api.deny_networks names are never asked.',
      ),
      ports: list(Type.Integer({ minimum: 1, maximum: 65_535 }), [80, 443], 'Ports that may be asked at; none: any.'),
    }),
    dynamic_thumbnails: flag(false, 'Make thumbnails of any size that is asked for.'),
    max_thumbnail_generators: number(
      1,
      'Thumbnails made at once, at most: each takes up to 140 MB meanwhile. Never more than 8, and one core is left.',
      { minimum: 1 },
    ),
    thumbnail_sizes: list(
      Type.Object({
        width: Type.Integer({ minimum: 1 }),
        height: Type.Integer({ minimum: 1 }),
        method: choice(['crop', 'scale'], 'scale', 'Fill the size, or fit into it.'),
      }),
      [
        { width: 32, height: 32, method: 'crop' },
        { width: 96, height: 96, method: 'crop' },
        { width: 320, height: 240, method: 'scale' },
        { width: 640, height: 480, method: 'scale' },
        { width: 800, height: 600, method: 'scale' },
      ],
      'Sizes of thumbnails: the smallest that is as large as the one asked for is made.',
    ),
    database,
  })
}

function userLimits() {
  const limit = Type.Object({
    time_period: duration('24h0m0s', 'Within such a time,'),
    max_size: size('1gb', 'a user may upload so much.'),
  })
  return section('What a user may upload. Who has no limits of requests has none here.', {
    max_bytes: number(0, 'All files of a user together, as long as they are kept; 0: any number of bytes.', {
      minimum: 0,
    }),
    uploads: list(limit, [], 'What is uploaded within a time; all of them have to hold.'),
    info_uri: text('', 'Page about it that clients show to who has reached a limit; empty: none.', {
      pattern: '^$|^https?://',
    }),
  })
}

function s3() {
  return section('Files in a bucket of S3, or of what speaks as S3 does, instead of `base_path`.', {
    endpoint: text('', 'Its URL, as `https://s3.eu-central-1.amazonaws.com`; empty: switched off.', {
      pattern: '^$|^https?://[^?#]+$',
    }),
    bucket: text('', 'Name of the bucket.', { pattern: '^[A-Za-z0-9._-]*$' }),
    bucket_in_host: flag(false, 'The bucket is part of the host of `endpoint` already.'),
    region: text('us-east-1', 'Its region.', { minLength: 1 }),
    access_key_id: text('', 'Who we are there.'),
    secret_access_key: secret('', 'The key to that.'),
    prefix: text('', 'What the names of all objects begin with, as `media/`.', { pattern: '^[A-Za-z0-9._/-]*$' }),
  })
}

export function userApi<D extends TSchema>(database: D) {
  return section('Accounts.', {
    bcrypt_cost: number(10, 'Cost that old bcrypt hashes are made with; new ones are argon2id.', {
      minimum: 4,
      maximum: 31,
    }),
    password_hashing: choice(['normal', 'cheap'], 'normal', '`cheap` makes weak hashes fast. Only for tests.'),
    openid_token_lifetime_ms: number(3_600_000, 'How long an OpenID token is good.', { minimum: 1 }),
    auto_join_rooms: list(Type.String(), [], 'Rooms that new users join.'),
    legacy_mentions: flag(
      false,
      'Names and `@room` in the text mention people, as before Matrix 1.17, where clients do not say whom they mean.',
    ),
    push_gateway_disable_tls_validation: flag(false, 'Accept any certificate from push gateways. Only for tests.'),
    worker_count: ignored('The program decides by itself.'),
    account_database: database,
    device_database: database,
  })
}
