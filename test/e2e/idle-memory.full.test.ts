import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { memoryOf } from '../helpers/large-files.ts'
import { AS_INSTALLED, prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'

const IDLE_MAX_MIB = 90
const STARTS = 3
/** The server tidies up once it was quiet for ten seconds. */
const IDLE_MAX_MS = 60_000
const LOOK_MS = 1_000

const dir = mkdtempSync(join(tmpdir(), 'dendrite-idle-'))
const servers: ServerProcess[] = []
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

test.skipIf(process.platform !== 'linux')('an idle server with one user takes less than 90 MiB', async () => {
  const resident = await Promise.all(
    Array.from({ length: STARTS }, async (_, index) => {
      const server = await startServerProcess(prepareServer(join(dir, `${index}`), undefined), AS_INSTALLED)
      servers.push(server)
      await comeAndGo(`http://127.0.0.1:${server.port}/_matrix/client/v3`)
      return idleMib(server.pid)
    }),
  )
  console.log(`idle: ${resident.map((mib) => mib.toFixed(1)).join(', ')} MiB`)
  expect(resident.sort((a, b) => a - b)[STARTS >> 1]).toBeLessThan(IDLE_MAX_MIB)
})

/** Once it is as small as it should be, or a minute has passed. */
async function idleMib(pid: number): Promise<number> {
  const until = performance.now() + IDLE_MAX_MS
  while (memoryOf(pid, 'VmRSS') > IDLE_MAX_MIB - 1 && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  return memoryOf(pid, 'VmRSS')
}

/** A user registers, makes a room, says something and syncs: what that needs is loaded, and does not go again. */
async function comeAndGo(url: string): Promise<void> {
  const password = 'correct horse battery'
  const registered = await call('POST', `${url}/register`, {
    body: { username: 'one', password, auth: { type: 'm.login.dummy' } },
  })
  const token = String(registered.access_token)
  const room = await call('POST', `${url}/createRoom`, { token, body: {} })
  const path = `${url}/rooms/${encodeURIComponent(String(room.room_id))}/send/m.room.message/1`
  await call('PUT', path, { token, body: { msgtype: 'm.text', body: 'hello' } })
  await call('GET', `${url}/sync`, { token })
}

async function call(
  method: string,
  url: string,
  { token, body }: { token?: string; body?: object },
): Promise<Record<string, unknown>> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const reply = await fetch(url, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  expect(reply.status).toBe(200)
  return (await reply.json()) as Record<string, unknown>
}
