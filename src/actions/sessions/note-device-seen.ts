import type { App } from '../../app.ts'
import { updateDeviceSeen } from '../../store/devices.ts'
import { write } from '../write.ts'

/** What is kept of the name that a client gives itself. */
const USER_AGENT_LENGTH = 500

export interface Sighting {
  readonly userId: string
  readonly deviceId: string
  readonly ip: string
  readonly userAgent: string | undefined
}

/** Notes when and from where a device was seen, now and then. The request does not wait for it. */
export function noteDeviceSeen(app: App, sighting: Sighting): void {
  const { userId, deviceId } = sighting
  const nowMs = app.clock.now()
  if (!app.live.sightings.isDue(`${userId} ${deviceId}`, nowMs)) return
  const userAgent = sighting.userAgent?.replaceAll('\0', '').slice(0, USER_AGENT_LENGTH) ?? null
  const seen = { ip: sighting.ip, userAgent, nowMs }
  write(app, { guards: [], writes: [updateDeviceSeen(userId, deviceId, seen)], log: [] }).catch((error) =>
    app.log.warn({ err: error }, 'when a device was seen was not noted'),
  )
}
