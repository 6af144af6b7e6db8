import type { Clock } from '../live/time.ts'

export interface Progress {
  /** Says how much is done. Cheap: it may be called for every piece. */
  step(done: number, total: number): void
  stop(): void
}

export interface ProgressOptions {
  readonly label: string
  /** A terminal that shows a bar; without it there is a line from time to time. */
  readonly terminal: NodeJS.WriteStream | undefined
  readonly note: (line: string) => void
  readonly clock: Clock
}

const LINE_EVERY_MS = 10_000

/** A bar on a terminal, otherwise a line every ten seconds: what is done sooner says nothing. */
export async function startProgress({ label, terminal, note, clock }: ProgressOptions): Promise<Progress> {
  if (terminal === undefined) return lines(label, note, clock)
  const { default: progress } = await import('cli-progress')
  const format = `${label} {bar} {value} of {total}`
  const bar = new progress.SingleBar({ format, stream: terminal, clearOnComplete: true, hideCursor: true })
  let running = false
  return {
    step(done, total) {
      if (!running) bar.start(total, done)
      running = true
      bar.update(done)
    },
    stop() {
      if (running) bar.stop()
      running = false
    },
  }
}

function lines(label: string, note: (line: string) => void, clock: Clock): Progress {
  let last = clock.monotonic()
  return {
    step(done, total) {
      if (clock.monotonic() - last < LINE_EVERY_MS) return
      last = clock.monotonic()
      note(`${label}: ${done} of ${total}`)
    },
    stop: () => undefined,
  }
}
