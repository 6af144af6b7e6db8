import { createHash } from 'node:crypto'
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeCertificate } from '../../src/cli/certificate.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { generateSigningKey } from '../../src/core/keys.ts'
import { signJson } from '../../src/core/sign.ts'
import { systemRandom } from '../../src/live/time.ts'
import type { Json } from './session.ts'

/** The server part of the Identity Service API, as far as homeservers ask it. */
export interface IdentityServer {
  /** `127.0.0.1:port`, over TLS with a certificate that nobody vouches for. */
  readonly name: string
  readonly token: string
  /** Users by `medium address`. */
  readonly bound: Map<string, string>
  /** Bodies of `store-invite`. */
  readonly stored: Json[]
  /** What was asked, as `POST /3pid/bind` with its `Authorization`. */
  readonly asked: { readonly request: string; readonly authorization: string }[]
  /** Codes of text messages, by number. */
  readonly codes: Map<string, string>
  /** Sessions in which an address was proved, as `medium address`. */
  readonly sessions: Map<string, string>
  /** Whether `pubkey/isvalid` stands by the key. */
  valid: boolean
  /** The proof that the user has the address of an invite. */
  sign(userId: string, token: string, sender: string): JsonObject
  stop(): Promise<void>
}

const TOKEN = 'swordfish'
const PEPPER = 'pepper'

export async function startIdentityServer({ tls = true } = {}): Promise<IdentityServer> {
  const key = generateSigningKey(systemRandom.bytes)
  let tokens = 0
  const listener = async (request: IncomingMessage, reply: ServerResponse) => {
    const { status, body } = answer(new URL(request.url ?? '', 'https://a.test'), request, await bodyOf(request))
    reply.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  }
  const server = tls ? createServer(await selfSigned(), listener) : createPlainServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const name = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const identity: IdentityServer = {
    name,
    token: TOKEN,
    bound: new Map(),
    stored: [],
    asked: [],
    codes: new Map(),
    sessions: new Map(),
    valid: true,
    sign: (mxid, token, sender) => signJson({ mxid, token, sender }, name, key),
    stop: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  }
  const phones = new Map<string, string>()
  const refusal = (status: number, errcode: string) => ({ status, body: { errcode, error: errcode } })
  const keyUrl = `https://${name}/_matrix/identity/v2/pubkey/isvalid`

  function answer(url: URL, { method, headers }: IncomingMessage, body: Json): { status: number; body: object } {
    const path = url.pathname.replace('/_matrix/identity/v2', '')
    const { authorization = '' } = headers
    identity.asked.push({ request: `${method} ${path}`, authorization })
    const signed = path === '/3pid/unbind' || path === '/pubkey/isvalid'
    if (!signed && authorization !== `Bearer ${TOKEN}`) return refusal(401, 'M_UNAUTHORIZED')
    switch (`${method} ${path}`) {
      case 'GET /hash_details':
        return { status: 200, body: { lookup_pepper: PEPPER, algorithms: ['none', 'sha256'] } }
      case 'POST /lookup':
        return { status: 200, body: { mappings: mappings(body.addresses) } }
      case 'POST /store-invite': {
        identity.stored.push(body)
        const keys = [{ public_key: key.publicKey, key_validity_url: keyUrl }]
        return { status: 200, body: { token: `token${tokens++}`, display_name: 'b...@e...', public_keys: keys } }
      }
      case 'GET /pubkey/isvalid':
        return { status: 200, body: { valid: identity.valid && url.searchParams.get('public_key') === key.publicKey } }
      case 'POST /3pid/bind': {
        const address = identity.sessions.get(`${body.sid} ${body.client_secret}`)
        if (address === undefined) return refusal(404, 'M_NO_VALID_SESSION')
        identity.bound.set(address, body.mxid)
        const [medium, bound] = address.split(' ')
        return { status: 200, body: { mxid: body.mxid, medium, address: bound } }
      }
      case 'POST /validate/msisdn/requestToken': {
        if (!/^0\d+$/.test(body.phone_number)) return refusal(400, 'M_INVALID_PARAM')
        const number = `44${body.phone_number.slice(1)}`
        identity.codes.set(number, `code${tokens++}`)
        phones.set(`${number} ${body.client_secret}`, number)
        return { status: 200, body: { sid: number } }
      }
      case 'POST /validate/msisdn/submitToken': {
        const success = phones.has(`${body.sid} ${body.client_secret}`) && identity.codes.get(body.sid) === body.token
        if (success) identity.sessions.set(`${body.sid} ${body.client_secret}`, `msisdn ${body.sid}`)
        return { status: 200, body: { success } }
      }
      case 'GET /3pid/getValidated3pid': {
        const session = `${url.searchParams.get('sid')} ${url.searchParams.get('client_secret')}`
        const [medium, address] = (identity.sessions.get(session) ?? '').split(' ')
        if (address === undefined) return refusal(400, 'M_SESSION_NOT_VALIDATED')
        return { status: 200, body: { medium, address, validated_at: 1 } }
      }
      case 'POST /3pid/unbind': {
        const address = `${body.threepid.medium} ${body.threepid.address}`
        if (!authorization.startsWith('X-Matrix ')) return { status: 403, body: {} }
        if (identity.bound.get(address) !== body.mxid) return refusal(404, 'M_NOT_FOUND')
        identity.bound.delete(address)
        return { status: 200, body: {} }
      }
      default:
        return { status: 404, body: {} }
    }
  }

  function mappings(wanted: readonly string[]): Record<string, string> {
    const hashes = [...identity.bound].map(([entry, userId]): [string, string] => {
      const [medium, address] = entry.split(' ')
      return [createHash('sha256').update(`${address} ${medium} ${PEPPER}`).digest('base64url'), userId]
    })
    return Object.fromEntries(hashes.filter(([hash]) => wanted.includes(hash)))
  }

  return identity
}

async function selfSigned() {
  const { certificatePem: cert, keyPem: key } = await makeCertificate({ names: ['127.0.0.1'] })
  return { cert, key }
}

async function bodyOf(request: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString())
}
