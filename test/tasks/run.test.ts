import { expect, test } from 'vitest'
import { write } from '../../src/actions/write.ts'
import type { App } from '../../src/app.ts'
import { newTask } from '../../src/store/tasks.ts'
import { startTasks, type Task, type TaskKind } from '../../src/tasks/run.ts'
import { eachServer } from '../helpers/each-server.ts'
import { handTime } from '../helpers/hand-time.ts'

/** Resolves with the tasks of a kind as they are run, one after the other. */
function listen(kind: string, run: (task: Task) => ReturnType<TaskKind['run']>) {
  const seen: Task[] = []
  const waiting: ((task: Task) => void)[] = []
  const told = (task: Task) => {
    const next = waiting.shift()
    if (next === undefined) seen.push(task)
    else next(task)
  }
  return {
    kind: {
      kind,
      async run(_app: App, task: Task) {
        try {
          return await run(task)
        } finally {
          told(task)
        }
      },
    },
    next: () =>
      new Promise<Task>((resolve) => {
        const first = seen.shift()
        if (first === undefined) waiting.push(resolve)
        else resolve(first)
      }),
    get unheard() {
      return seen.length
    },
  }
}

eachServer({}, (server) => {
  const add = (id: string, kind: string, runAt: number, payload = {}) =>
    write(server.app, { guards: [], ...newTask({ id, kind, runAt, payload: JSON.stringify(payload) }) })

  test('a task runs at its time, goes on as it says, and is gone when it is done', async () => {
    const time = handTime(1_000)
    const work = listen('t1', async ({ payload }) =>
      payload.step === 2 ? undefined : { afterMs: 500, payload: { step: 2 } },
    )
    const runner = await startTasks({ ...server.app, ...time }, [work.kind])
    await add('t1-a', 't1', 2_000, { step: 1 })
    await time.alarmIn(1_000)
    expect(work.unheard).toBe(0)
    time.pass(1_000)
    expect((await work.next()).payload).toEqual({ step: 1 })
    await time.alarmIn(500)
    time.pass(500)
    expect((await work.next()).payload).toEqual({ step: 2 })
    await runner.stop()
    expect(await server.app.db.read({ strings: ["SELECT id FROM tasks WHERE kind = 't1'"], holes: [] })).toEqual([])
  })

  test('a task that fails is tried again after pauses that grow, and says how often', async () => {
    const time = handTime(0)
    const work = listen('t2', async ({ failures }) => {
      if (failures < 2) throw new Error('not today')
      return undefined
    })
    await add('t2-a', 't2', 0)
    const runner = await startTasks({ ...server.app, ...time }, [work.kind])
    expect((await work.next()).failures).toBe(0)
    await time.alarmIn(60_000)
    time.pass(60_000)
    expect((await work.next()).failures).toBe(1)
    await time.alarmIn(120_000)
    time.pass(120_000)
    expect((await work.next()).failures).toBe(2)
    await runner.stop()
  })

  test('of two processes one runs the task; when it dies amid it, the other does after a while', async () => {
    const before = handTime(0)
    const forever = listen('t3', () => new Promise(() => undefined))
    const begun: string[] = []
    const hanging = {
      kind: 't3',
      run(app: App, task: Task) {
        begun.push(app.live.boot)
        return forever.kind.run(app, task)
      },
    }
    const apps = ['one', 'two'].map((boot) => ({ ...server.app, ...before, live: { ...server.app.live, boot } }))
    await add('t3-a', 't3', 0)
    await Promise.all(apps.map((app) => startTasks(app, [hanging])))
    await before.alarmIn(600_000)
    expect(begun).toHaveLength(1)
    // Their clocks stand still from here on, as those of the dead do.
    const time = handTime(0)
    const survivor = listen('t3', async () => undefined)
    const runner = await startTasks({ ...server.app, ...time }, [survivor.kind])
    await time.alarmIn(600_000)
    expect(survivor.unheard).toBe(0)
    time.pass(600_000)
    await survivor.next()
    await runner.stop()
  })

  test('a standing task begins with the server, once', async () => {
    const time = handTime(0)
    const work = listen('t4', async () => ({ afterMs: 10 }))
    const standing = { ...work.kind, firstAfterMs: 100 }
    const first = await startTasks({ ...server.app, ...time }, [standing])
    await time.alarmIn(100)
    await first.stop()
    time.pass(60)
    const second = await startTasks({ ...server.app, ...time }, [standing])
    await time.alarmIn(40)
    await second.stop()
  })
})
