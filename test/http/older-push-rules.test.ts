import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter } from '../helpers/session.ts'

eachServer({}, (server) => {
  test('push rules answer where they once were, and say what is wrong with another scope or kind', async () => {
    const alice = await enter(server, 'alice')
    const { actions } = await alice.get('/pushrules/global/override/.m.rule.master/actions')
    expect(actions).toEqual([])
    await alice.put('/pushrules/global/room/!a:b', { actions: ['dont_notify'] })
    const rules = await alice.get('/pushrules/global/room/')
    expect(rules).toEqual([{ rule_id: '!a:b', default: false, enabled: true, actions: ['dont_notify'] }])
    for (const [method, path] of [
      ['GET', 'global'],
      ['GET', 'global/room'],
      ['GET', 'global/unknown/'],
      ['GET', 'device/'],
      ['GET', 'global/override/.m.rule.master/colour'],
      ['PUT', ''],
      ['PUT', 'global'],
      ['PUT', 'global/'],
      ['PUT', 'global/room'],
      ['PUT', 'global/room/'],
      ['PUT', 'global/unknown/id'],
      ['PUT', 'device/room/!a:b'],
      ['PUT', 'global/override/.m.rule.master/colour'],
    ] as const)
      expect([
        path,
        (await alice.call(method, `/pushrules/${path}`, method === 'PUT' ? {} : undefined)).status,
      ]).toEqual([path, 400])
  })
})
