/** When the content of an event goes for good, because the event says so itself. Milliseconds since 1970. */
export const expiry = {
  number: 17,
  name: 'expiry',
  up: (): readonly string[] => [
    'CREATE TABLE event_expiry (event BIGINT PRIMARY KEY, expires_ts BIGINT NOT NULL)',
    'CREATE INDEX event_expiry_due ON event_expiry (expires_ts)',
  ],
}
