/** Events of a room by their time, and the replies of its threads, for those who look for either. */
export const eventTimes = {
  number: 3,
  name: 'event-times',
  up: (): readonly string[] => [
    `CREATE INDEX events_time ON events (room, origin_server_ts)`,
    `CREATE INDEX events_threads ON events (room, topo, event) WHERE thread_root IS NOT NULL`,
  ],
}
