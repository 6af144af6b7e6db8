import type { App } from '../app.ts'
import { updateDeviceSeen } from '../store/devices.ts'
import { write } from './write.ts'

export interface Sighting {
  readonly userId: string
  readonly deviceId: string
  readonly ip: string
}

/** Notes when and from where a device was seen, now and then. The request does not wait for it. */
export function noteDeviceSeen(app: App, { userId, deviceId, ip }: Sighting): void {
  const nowMs = app.clock.now()
  if (!app.live.sightings.isDue(`${userId} ${deviceId}`, nowMs)) return
  write(app, { guards: [], writes: [updateDeviceSeen(userId, deviceId, ip, nowMs)], log: [] }).catch((error) =>
    app.log.warn({ err: error }, 'when a device was seen was not noted'),
  )
}
