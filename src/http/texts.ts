import { Type } from '@sinclair/typebox'

/** Without NUL, which no column of PostgreSQL takes. */
const NO_NUL = '^[^\\u0000]*$'

/** A text of a client that is stored in a column of its own. */
export function text(maxLength: number) {
  return Type.String({ maxLength, pattern: NO_NUL })
}

const ID_LENGTH_MAX = 255
const DEVICE_NAME_LENGTH_MAX = 100
const TOKEN_LENGTH_MAX = 1_024

export const DeviceId = Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, pattern: NO_NUL })
export const DeviceName = text(DEVICE_NAME_LENGTH_MAX)
/** A user name or user id, before anybody looked whether it is one. */
export const UserName = text(ID_LENGTH_MAX)
/** An e-mail address, before anybody looked whether it is one. */
export const Email = Type.String({ maxLength: 254 })
export const PhoneNumber = Type.String({ pattern: '^[-+0-9 ().]{1,32}$' })
/** A token or secret that is compared, never stored. */
export const Token = Type.String({ maxLength: TOKEN_LENGTH_MAX })

/** Client-Server API: the identifiers of sessions in which an address is proved, and their secrets. */
export const ClientSecret = Type.String({ pattern: '^[0-9a-zA-Z.=_-]+$', maxLength: ID_LENGTH_MAX })
export const SessionId = ClientSecret

/** An identity server, and the user's token there, which goes into a header. */
export const IdServer = Type.String({ maxLength: ID_LENGTH_MAX })
export const IdAccessToken = Type.String({ pattern: '^[\\x21-\\x7e]+$', maxLength: TOKEN_LENGTH_MAX })

const REGISTRATION_TOKEN_LENGTH_MAX = 64
/** Client-Server API, "Token-authenticated registration". */
export const RegistrationToken = Type.String({
  pattern: '^[A-Za-z0-9._~-]+$',
  maxLength: REGISTRATION_TOKEN_LENGTH_MAX,
})
