import { Type } from '@sinclair/typebox'
import { choice, duration, flag, list, secret, section, text } from './schema-types.ts'

const JWT_ALGORITHMS = [
  ...(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA'] as const),
] as const

/** The ways to log in without a password; keys of ours in `client_api`. */
export function getLoginToken() {
  return section('Tokens that let a user log in on one more device.', {
    enabled: flag(true, 'Users may ask for one. It takes their password.'),
    lifetime: duration('2m0s', 'How long one is good.'),
  })
}

export function jwt() {
  return section('Login with a JSON Web Token, `org.matrix.login.jwt`.', {
    enabled: flag(false, 'Switch it on. Users who are not known get an account.'),
    algorithm: choice(JWT_ALGORITHMS, 'HS256', 'The only one that is accepted.'),
    secret: secret('', 'The shared secret, for the algorithms HS256, HS384 and HS512.'),
    public_key: text('', 'The public key of the issuer (PEM, SPKI), for the others.'),
    issuer: text('', 'The `iss` that a token has to bear; empty: any or none.'),
    audiences: list(Type.String(), [], 'One of these has to be in `aud`; empty: any or none.'),
    subject_claim: text('sub', 'The claim that holds the localpart.', { minLength: 1 }),
    display_name_claim: text('', 'The claim that holds the display name of a new account; empty: none.'),
  })
}

export function oauth() {
  return section('OAuth 2.0: clients send users to pages of this server, on which they log in and register.', {
    enabled: flag(false, 'Switch it on. Clients have to reach this server by https.'),
  })
}

export function sso() {
  return section('Single sign-on: login with accounts of other services, in the browser.', {
    providers: list(provider(), [], 'The services. Each sends users back to `/_dendrite/client/sso/callback/ID`.'),
    client_whitelist: list(
      Type.String({ pattern: '^[a-zA-Z][a-zA-Z0-9+.-]*:' }),
      [],
      'Clients, by the beginning of their URL, that get users back without a page that asks them.',
    ),
    timeout: duration('10s', 'How long a service may take to answer.'),
  })
}

function provider() {
  return Type.Object({
    id: Type.String({ description: 'A name for programs, as `company`.', pattern: '^[a-zA-Z0-9._~-]{1,255}$' }),
    name: Type.String({ description: 'The name that users read.', minLength: 1, maxLength: 255 }),
    icon: text('', 'A picture, `mxc://…`; empty: none.', { pattern: '^$|^mxc://' }),
    brand: text('', 'A brand that clients may know, as `github`; empty: none.', { pattern: '^[a-z0-9._-]*$' }),
    type: choice(['oidc', 'cas'], 'oidc', 'OpenID Connect, or a Central Authentication Service.'),
    issuer: Type.String({ description: 'The issuer of OpenID Connect, or the root of CAS.', pattern: '^https?://' }),
    client_id: text('', 'OpenID Connect: the name that this server has there.'),
    client_secret: secret('', 'Its secret; empty: it has none.'),
    scopes: list(Type.String(), ['openid', 'profile'], 'What is asked for; `openid` has to be among it.'),
    user_info: flag(false, 'Ask for the claims of the user info endpoint too.'),
    subject_claim: text('sub', 'The claim that stays the same as long as the account exists.', { minLength: 1 }),
    localpart_template: text('{preferred_username}', 'Localpart of a new user, with claims in braces; empty: ask.'),
    display_name_template: text('{name}', 'Display name of a new user; empty: the localpart.'),
    enable_registration: flag(true, 'Who is not known gets an account.'),
    allow_existing_users: flag(
      false,
      'Whose localpart is taken gets that account. Only where both are the same person.',
    ),
  })
}
