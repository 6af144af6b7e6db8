import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage, request } from 'node:http'

const CHUNK_BYTES = 1_048_576

export interface Moved {
  /** SHA-256 of what went over the wire. */
  readonly hash: string
  readonly bytes: number
}

/** Uploads so many bytes without holding them. Resolves with the name, `server/media_id`. */
export async function uploadLarge(port: number, token: string, bytes: number): Promise<Moved & { name: string }> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'video/mp4', 'content-length': bytes }
  const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/_matrix/media/v3/upload', headers })
  const answered = new Promise<IncomingMessage>((resolve, reject) => sent.on('response', resolve).on('error', reject))
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, bytes - at), at / CHUNK_BYTES)
    hash.update(chunk)
    if (!sent.write(chunk)) await new Promise((resolve) => sent.once('drain', resolve))
  }
  sent.end()
  const chunks: Buffer[] = []
  for await (const chunk of await answered) chunks.push(chunk as Buffer)
  const answer = JSON.parse(Buffer.concat(chunks).toString())
  return { hash: hash.digest('hex'), bytes, name: String(answer.content_uri).slice('mxc://'.length) }
}

export async function downloadLarge(port: number, token: string, name: string): Promise<Moved & { status: number }> {
  const path = `/_matrix/client/v1/media/download/${name}`
  const headers = { authorization: `Bearer ${token}` }
  const reply = await new Promise<IncomingMessage>((resolve, reject) =>
    get({ port, host: '127.0.0.1', path, headers }, resolve).on('error', reject),
  )
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of reply) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { status: reply.statusCode ?? 0, hash: hash.digest('hex'), bytes }
}

/** What the work adds to the resident memory of a process at its highest, in MiB (Linux). */
export async function residentGrowth(pid: number, work: () => Promise<unknown>): Promise<number> {
  // Forgets the peak of before (proc(5), clear_refs).
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = memoryOf(pid, 'VmRSS')
  await work()
  return memoryOf(pid, 'VmHWM') - before
}

/** MiB (Linux). */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1_024
}
