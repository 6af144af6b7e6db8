import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type { Timers } from '../live/time.ts'
import type { ThumbnailAnswer, ThumbnailJob, ThumbnailLimits } from './thumbnailer.ts'

/** What the child says when a job is done. */
export interface ThumbnailReport {
  readonly answer: ThumbnailAnswer
  readonly residentBytes: number
}

export interface ThumbnailChild {
  /** One job at a time. Errors: those of the source. */
  run(job: ThumbnailJob, source: Readable): Promise<ThumbnailAnswer>
  isUsable(): boolean
  /** After its last job. */
  residentBytes(): number
  stop(): Promise<void>
}

/** By the clock on the wall, for a child that says nothing at all. */
const JOB_MS = 30_000
/** Behind the server and whatever else the machine does. */
const LOW_PRIORITY = 10
const FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1', '--v8-pool-size=1']
/** It needs nothing of our environment. glibc would keep memory for each thread otherwise. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '2' }

/** Starts a process that makes thumbnails until it is stopped, breaks a limit, or the server ends. */
export function startChild(script: string, limits: ThumbnailLimits, timers: Timers): ThumbnailChild {
  const child = spawn(process.execPath, [...FLAGS, script, JSON.stringify(limits)], {
    stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    env: ENVIRONMENT,
  })
  let usable = true
  let residentBytes = 0
  /** Who waits for the report. Nothing else may remember it: it holds the image. */
  let tell: (report: ThumbnailReport | undefined) => void = () => undefined
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      usable = false
      tell(undefined)
      resolve()
    }
    child.once('exit', end)
    child.once('error', end)
  })
  child.on('message', (message) => tell(message as ThumbnailReport))
  child.stdin?.on('error', () => undefined)
  yieldTo(child)

  function report(): Promise<ThumbnailReport | undefined> {
    return new Promise((resolve) => {
      if (!usable) return resolve(undefined)
      tell = (done) => {
        tell = () => undefined
        resolve(done)
      }
    })
  }

  async function stop(): Promise<void> {
    usable = false
    child.kill('SIGKILL')
    await ended
  }

  return {
    isUsable: () => usable,
    residentBytes: () => residentBytes,
    stop,
    async run(job, source) {
      const cancel = timers.after(JOB_MS, () => void stop())
      const reported = report()
      try {
        child.send(job, () => undefined)
        await hand(source, child)
        const done = await reported
        residentBytes = done?.residentBytes ?? 0
        // Who ends in the middle of a job has broken a limit, or was broken by the image.
        return done?.answer ?? { kind: 'too-costly' }
      } catch (error) {
        await stop()
        throw error
      } finally {
        cancel()
      }
    },
  }
}

function yieldTo(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
  try {
    if (child.pid !== undefined) setPriority(child.pid, LOW_PRIORITY)
  } catch {
    // It is gone already, or the system does not let us.
  }
}

/** Errors: those of the source. Where it is the child that fails, its end says so. */
async function hand(source: Readable, { stdin }: ChildProcess): Promise<void> {
  for await (const chunk of source) {
    if (stdin === null || !stdin.writable) return
    if (!stdin.write(chunk)) await hasRoom(stdin)
  }
}

/** Resolves when more can be written, or nothing any more. */
function hasRoom(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    if (stream.closed) return resolve()
    stream.on('drain', done)
    stream.on('close', done)
  })
}
