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
