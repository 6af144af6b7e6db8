import type { Dialect } from '../../db/sql.ts'

/** What a user needs to bring the dehydrated device back to life: JSON that only the user's clients can read. */
export const dehydratedDevices = {
  number: 6,
  name: 'dehydrated-devices',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE dehydrated_devices (user_id ${text} PRIMARY KEY, device_id ${text} NOT NULL,
        device_data ${text} NOT NULL)`,
    ]
  },
}
