import { availableParallelism } from 'node:os'
import type { Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type { ThumbnailSize } from '../core/thumbnail-size.ts'
import { createPlaces } from '../live/places.ts'
import type { Timers } from '../live/time.ts'
import { startChild, type ThumbnailChild } from './thumbnail-child.ts'

/** What the child is asked for. The bytes of the image follow by its standard input. */
export interface ThumbnailJob {
  readonly bytes: number
  /** Without one the image is only looked at. */
  readonly size?: ThumbnailSize
  /** A moving picture may stay one. */
  readonly animated: boolean
}

export interface ThumbnailLimits {
  /** Of the image, all frames together where they are kept. Read from its header, before anything is unpacked. */
  readonly pixels: number
  /** Of the child, resident. */
  readonly memoryBytes: number
  /** Of processor time, however busy the machine is. */
  readonly cpuMs: number
}

export type ThumbnailAnswer =
  | { readonly kind: 'made'; readonly contentType: string; readonly image: Uint8Array }
  /** The image itself is what to serve. */
  | { readonly kind: 'original'; readonly contentType: string }
  | { readonly kind: 'seen'; readonly contentType: string; readonly width: number; readonly height: number }
  | { readonly kind: 'no-image' }
  | { readonly kind: 'too-costly' }
  /** There is no library that reads images. */
  | { readonly kind: 'unavailable' }

/** Looks into images, and makes small ones of them, in processes that a hostile image may crash. */
export interface Thumbnailer {
  /**
   * `source` names the content: what was refused is not tried again for a while. `open` is asked when it is its turn.
   * Errors: those of `open` and of reading; M_LIMIT_EXCEEDED when too many wait.
   */
  ask(source: string, job: ThumbnailJob, open: () => Promise<Readable>): Promise<ThumbnailAnswer>
  close(): Promise<void>
}

export interface ThumbnailerOptions {
  /** The program of the child; without one there are no thumbnails. */
  readonly script: string | undefined
  readonly childrenMax: number
  readonly timers: Timers
  readonly limits?: Partial<ThumbnailLimits>
}

const LIMITS: ThumbnailLimits = { pixels: 50_000_000, memoryBytes: 400 * 1_024 * 1_024, cpuMs: 5_000 }
/** A larger file is not looked at. */
const SOURCE_BYTES_MAX = 64 * 1_024 * 1_024
const WAITING_MAX = 500
/** A child that nobody needs for so long ends: it holds fifty megabytes. */
const IDLE_MS = 30_000
/** What libraries keep of large images is given back by ending the child. */
const RESIDENT_BYTES_KEPT = 150 * 1_024 * 1_024
const REFUSED_MAX = 10_000
const REFUSED_AGE_MS = 3_600_000

/** More only take memory, whatever machine and configuration say: the Go Dendrite's own configuration says 10. */
const CHILDREN_MAX = 8

export function createThumbnailer({ script, childrenMax, timers, limits }: ThumbnailerOptions): Thumbnailer {
  const children = childrenAtOnce(childrenMax, availableParallelism())
  const places = createPlaces(children, WAITING_MAX, 'Too many thumbnails at once.')
  const one = () => 1
  const refused = new LRUCache<string, ThumbnailAnswer>({
    maxSize: REFUSED_MAX,
    sizeCalculation: one,
    ttl: REFUSED_AGE_MS,
  })
  const idle = new Map<ThumbnailChild, () => void>()
  const working = new Set<ThumbnailChild>()
  let unavailable = script === undefined

  function take(): ThumbnailChild {
    const child = anyIdle() ?? startChild(script ?? '', { ...LIMITS, ...limits }, timers)
    working.add(child)
    return child
  }

  /** One that the system has ended meanwhile, for want of memory say, would take the next image for its reason. */
  function anyIdle(): ThumbnailChild | undefined {
    for (const [child, cancel] of idle) {
      cancel()
      idle.delete(child)
      if (child.isUsable()) return child
    }
    return undefined
  }

  function giveBack(child: ThumbnailChild): void {
    working.delete(child)
    if (!child.isUsable() || child.residentBytes() > RESIDENT_BYTES_KEPT) return void child.stop()
    const stop = () => {
      idle.delete(child)
      void child.stop()
    }
    idle.set(child, timers.after(IDLE_MS, stop))
  }

  async function work(job: ThumbnailJob, open: () => Promise<Readable>): Promise<ThumbnailAnswer> {
    const source = await open()
    const child = take()
    try {
      return await child.run(job, source)
    } finally {
      giveBack(child)
    }
  }

  return {
    async ask(source, job, open) {
      if (unavailable) return { kind: 'unavailable' }
      if (job.bytes > SOURCE_BYTES_MAX) return { kind: 'too-costly' }
      const known = refused.get(source)
      if (known !== undefined) return known
      const answer = await places(() => work(job, open))
      if (answer.kind === 'no-image' || answer.kind === 'too-costly') refused.set(source, answer)
      if (answer.kind === 'unavailable') unavailable = true
      return answer
    },
    async close() {
      unavailable = true
      for (const cancel of idle.values()) cancel()
      await Promise.all([...idle.keys(), ...working].map((child) => child.stop()))
      idle.clear()
    },
  }
}

/** One core is left to the server. */
export function childrenAtOnce(wanted: number, cores: number): number {
  return Math.max(1, Math.min(wanted, cores - 1, CHILDREN_MAX))
}
