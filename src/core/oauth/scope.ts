import { OAuthError } from './error.ts'

/** Client-Server API, "Allocated scope tokens"; and as they were spelled before, which most clients still do. */
const API = ['urn:matrix:client:api:*', 'urn:matrix:org.matrix.msc2967.client:api:*']
const DEVICE = ['urn:matrix:client:device:', 'urn:matrix:org.matrix.msc2967.client:device:']
const DEVICE_ID = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/

export interface Scope {
  /** What is granted of it: tokens that mean nothing here are left out. */
  readonly granted: string
  readonly deviceId: string
}

/** Errors: invalid_scope unless it asks for the whole API, for one device. */
export function readScope(text: string): Scope {
  const tokens = text.split(' ').filter((token) => token !== '')
  const devices = tokens.filter((token) => deviceIn(token) !== undefined)
  const ids = new Set(devices.map(deviceIn))
  const [deviceId = ''] = ids
  if (ids.size !== 1 || !DEVICE_ID.test(deviceId))
    throw new OAuthError('invalid_scope', 'The scope has to name one device, in up to 255 characters.')
  if (!tokens.some((token) => API.includes(token)))
    throw new OAuthError('invalid_scope', 'The scope has to ask for the client API.')
  const granted = tokens.filter((token) => API.includes(token) || devices.includes(token))
  return { granted: [...new Set(granted)].join(' '), deviceId }
}

function deviceIn(token: string): string | undefined {
  const prefix = DEVICE.find((one) => token.startsWith(one))
  return prefix === undefined ? undefined : token.slice(prefix.length)
}
