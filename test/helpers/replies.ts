import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { relative } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { expect } from 'vitest'
import { ROOT, rowOf } from '../spec/table.ts'

/** Names the file that gathers what all test files of a run were answered. */
export const REPLIES_VARIABLE = 'DENDRITE_TEST_REPLIES'

const schemasFile = process.env.MATRIX_SCHEMAS
const schemas = schemasFile === undefined ? undefined : readSchemas(schemasFile)
const faults: string[] = []
let inspecting = false

/**
 * From now on every answer of a server in this process is looked at, whoever asked. One that is not as the
 * specification's schema says (`MATRIX_SCHEMAS`), or an error without errcode, is a fault: `throwReplyFaults`. What
 * succeeded is noted for the table of tested endpoints.
 */
export function inspectReplies(): void {
  if (inspecting) return
  inspecting = true
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    const end = response.end
    response.end = ((...args: Parameters<typeof end>) => {
      inspect(`${request.method}`, `${request.url}`, response, args[0])
      return end.apply(response, args)
    }) as typeof end
  })
}

/** Fails the test for the answers that were wrong since the last time. */
export function throwReplyFaults(): void {
  const found = faults.splice(0)
  if (found.length > 0) throw new Error(found.join('\n'))
}

function inspect(method: string, url: string, response: ServerResponse, body: unknown): void {
  const row = rowOf(method, url)
  const { statusCode: status } = response
  if (row === undefined) return
  const value = typeof body === 'string' || body instanceof Uint8Array ? readObject(body) : undefined
  const fault = value === undefined ? undefined : replyFault(row.key, status, value)
  if (fault !== undefined) faults.push(fault)
  const gathered = process.env[REPLIES_VARIABLE]
  // Outside of a test run there is no state to ask.
  const test = gathered === undefined ? undefined : expect.getState().testPath
  if (status >= 400 || gathered === undefined || test === undefined) return
  const checked = value !== undefined && schemas?.(row.key, status) !== undefined
  appendFileSync(gathered, `${[row.key, relative(ROOT, test), checked ? 'checked' : ''].join('\t')}\n`)
}

/** Undefined for what is no JSON object or array, as a picture. */
function readObject(body: string | Uint8Array): unknown {
  const text = Buffer.from(body).toString('utf8')
  return /^[{[]/.test(text) ? JSON.parse(text) : undefined
}

/** Answers with an invite as its server built it. */
const INVITES: ReadonlySet<string> = new Set([
  'PUT /_matrix/federation/v1/invite/{roomId}/{eventId}',
  'PUT /_matrix/federation/v2/invite/{roomId}/{eventId}',
])

/** The schemas want an `origin` in invites, which the text of the specification does not know: one is lent to them. */
function withOrigin(key: string, body: unknown): unknown {
  if (!INVITES.has(key)) return body
  const answer = Array.isArray(body) ? body[1] : body
  const lent = { ...answer, event: { origin: 'lent.example', ...answer?.event } }
  return Array.isArray(body) ? [body[0], lent] : lent
}

const TOKEN_REFUSED: ReadonlySet<string> = new Set(['M_MISSING_TOKEN', 'M_UNKNOWN_TOKEN', 'M_USER_LOCKED'])

/** What is wrong with the body of an answer; undefined when it is as the specification says. */
export function replyFault(key: string, status: number, body: unknown): string | undefined {
  const { errcode } = (body ?? {}) as { errcode?: unknown }
  // A 401 that offers stages has a schema; the specification means no other by it.
  const refusesToken = status === 401 && TOKEN_REFUSED.has(String(errcode))
  const validate = refusesToken ? undefined : schemas?.(key, status)
  if (validate !== undefined && !validate(withOrigin(key, body))) {
    // An event is also "any object": where the specification's alternatives overlap, two of them may fit.
    const faults = (validate.errors ?? []).filter(({ params }) => params.passingSchemas == null)
    if (faults.length === 0) return undefined
    const errors = faults.map(({ instancePath, message }) => `${instancePath} ${message}`)
    return `${key} answered ${status} with a body that its schema forbids: ${errors.join('; ')}`
  }
  // Where stages are offered and none was tried, an errcode may be left out.
  const offers = status === 401 && Array.isArray((body as { flows?: unknown } | undefined)?.flows)
  return status >= 400 && !offers && typeof errcode !== 'string'
    ? `${key} answered ${status} without an errcode`
    : undefined
}

function readSchemas(file: string): (key: string, status: number) => ValidateFunction | undefined {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  // `oneOf` stands there for alternatives that overlap: a state event is an object as its content is.
  ajv.addSchema(JSON.parse(readFileSync(file, 'utf8').replaceAll('"oneOf":', '"anyOf":')), 'matrix')
  return (key, status) => {
    const steps = ['endpoints', key, 'responses', String(status)].map((step) =>
      encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')),
    )
    return ajv.getSchema(`matrix#/${steps.join('/')}`)
  }
}
