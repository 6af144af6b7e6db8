import type { App } from '../app.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type Appservice, networkInstance } from '../live/appservices.ts'
import { Unreachable } from '../remote/outbound.ts'

/** How long an application service is waited for: the others have answered. */
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 262_144
/** Results taken of one application service. */
const RESULTS_MAX = 1_000
const INSTANCES_MAX = 1_000

/** What is looked for, as the client wrote it. */
export type Fields = Readonly<Record<string, string>>
type Kind = 'location' | 'user'

/** Client-Server API, "Third-party networks": all that the application services bridge, by protocol. */
export async function protocols(app: App): Promise<Record<string, JsonObject>> {
  const names = [...new Set(app.appservices.all.flatMap((appservice) => appservice.protocols))]
  const told = await Promise.all(names.map(async (name) => [name, await merged(app, name)] as const))
  return Object.fromEntries(told.filter((entry): entry is [string, JsonObject] => entry[1] !== undefined))
}

/** Errors: M_NOT_FOUND. */
export async function protocol(app: App, name: string): Promise<JsonObject> {
  const told = await merged(app, name)
  if (told === undefined) throw new MatrixError('M_NOT_FOUND', 'No application service bridges this protocol.')
  return told
}

/** Rooms or users on the other side, by fields of the protocol. Errors: M_NOT_FOUND. */
export function lookUp(app: App, kind: Kind, name: string, fields: Fields): Promise<JsonObject[]> {
  return found(app, bridging(app, name), `/_matrix/app/v1/thirdparty/${kind}/${encodeURIComponent(name)}`, fields, kind)
}

/** What an alias or a user of Matrix is on the other side. Errors: M_NOT_FOUND. */
export function lookUpBack(app: App, kind: Kind, id: string): Promise<JsonObject[]> {
  const asked = app.appservices.all.filter(({ hasAlias, hasUser }) => (kind === 'user' ? hasUser(id) : hasAlias(id)))
  const fields: Fields = kind === 'user' ? { userid: id } : { alias: id }
  return found(app, asked, `/_matrix/app/v1/thirdparty/${kind}`, fields, kind)
}

function bridging(app: App, name: string): Appservice[] {
  return app.appservices.all.filter((appservice) => appservice.protocols.includes(name))
}

/** Several may bridge one protocol, each some of its networks: the first names the fields. */
async function merged(app: App, name: string): Promise<JsonObject | undefined> {
  const told = await Promise.all(bridging(app, name).map((appservice) => metadata(app, appservice, name)))
  const [first, ...others] = told.filter((one) => one !== undefined)
  if (first === undefined) return undefined
  return { ...first, instances: [first, ...others].flatMap((one) => own(one, 'instances') as JsonObject[]) }
}

async function metadata(app: App, appservice: Appservice, name: string): Promise<JsonObject | undefined> {
  const known = app.live.protocols.get(appservice.id, name)
  if (known?.fresh === true) return known.told
  const answer = await ask(app, appservice, `/_matrix/app/v1/thirdparty/protocol/${encodeURIComponent(name)}`)
  if (!isObject(answer)) return known?.told
  const told = { ...answer, instances: instancesOf(appservice, own(answer, 'instances')) }
  app.live.protocols.set(appservice.id, name, told)
  return told
}

/** A network of an instance has a name in the room directory, which clients ask for by `third_party_instance_id`. */
function instancesOf(appservice: Appservice, instances: JsonValue | undefined): JsonObject[] {
  return objectsIn(instances, INSTANCES_MAX).map((instance) => {
    const network = own(instance, 'network_id')
    return typeof network === 'string' ? { ...instance, instance_id: networkInstance(appservice, network) } : instance
  })
}

async function found(
  app: App,
  asked: readonly Appservice[],
  path: `/_matrix/app/v1/${string}`,
  fields: Fields,
  kind: Kind,
): Promise<JsonObject[]> {
  const answers = await Promise.all(asked.map((appservice) => ask(app, appservice, path, fields)))
  const results = answers.flatMap((answer) => objectsIn(answer, RESULTS_MAX)).filter((result) => isResult(result, kind))
  if (results.length === 0) throw new MatrixError('M_NOT_FOUND', 'No application service knows of any.')
  return results
}

function isResult(result: JsonObject, kind: Kind): boolean {
  const texts = [own(result, kind === 'user' ? 'userid' : 'alias'), own(result, 'protocol')]
  return texts.every((text) => typeof text === 'string') && isObject(own(result, 'fields'))
}

function objectsIn(value: JsonValue | undefined, max: number): JsonObject[] {
  return Array.isArray(value) ? value.slice(0, max).filter(isObject) : []
}

/** Undefined where there is no answer that can be used: one that is away does not keep the others' from the client. */
async function ask(
  app: App,
  appservice: Appservice,
  path: `/_matrix/app/v1/${string}`,
  query: Fields = {},
): Promise<JsonValue | undefined> {
  if (appservice.url === undefined) return undefined
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
  try {
    const { status, body } = await app.remote.appservices.ask(appservice, { method: 'GET', path, query, ...limits })
    return status === 200 ? parseJson(body) : undefined
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof MatrixError)) throw error
    app.log.info({ appservice: appservice.id, reason: error.message }, 'an application service cannot be asked')
    return undefined
  }
}
