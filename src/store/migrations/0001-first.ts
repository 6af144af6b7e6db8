import type { Dialect } from '../../db/sql.ts'

/**
 * The first schema. Matrix ids are text at the edge; inside, rooms, events and snapshots are integers handed out in
 * blocks. No foreign keys: rows of one batch appear together or not at all, and hot rows are not locked for a check.
 * What later features need and what is dear to add to large tables stands here already.
 */
export const first = {
  number: 1,
  name: 'first',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    const bytes = dialect === 'postgres' ? 'BYTEA' : 'BLOB'
    const statements = [
      ...log,
      ...rooms,
      ...events,
      ...state,
      ...members,
      ...accounts,
      ...personal,
      ...keys,
      ...federation,
    ]
    return statements.map((statement) => statement.replaceAll(' TEXT', ` ${text}`).replaceAll(' BYTES', ` ${bytes}`))
  },
}

/** Positions, and who heard of what: `log_head` is the one row that a group commit locks. */
const log = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
  `CREATE TABLE log (position BIGINT PRIMARY KEY, kind TEXT NOT NULL, room BIGINT, user_id TEXT, device_id TEXT,
    subject TEXT)`,
  `CREATE TABLE log_head (one SMALLINT PRIMARY KEY, position BIGINT NOT NULL)`,
  `INSERT INTO log_head (one, position) VALUES (1, 0)`,
  `CREATE TABLE id_blocks (kind TEXT PRIMARY KEY, next_id BIGINT NOT NULL)`,
  // A follower's place in the log; the lease and its epoch say which process may move it.
  `CREATE TABLE cursors (name TEXT PRIMARY KEY, position BIGINT NOT NULL, holder TEXT,
    epoch BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT)`,
  `CREATE TABLE tasks (id TEXT PRIMARY KEY, kind TEXT NOT NULL, run_at BIGINT NOT NULL, holder TEXT,
    lease_until BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0, progress TEXT, payload TEXT NOT NULL)`,
  `CREATE INDEX tasks_due ON tasks (run_at)`,
]

const rooms = [
  `CREATE TABLE rooms (room BIGINT PRIMARY KEY, room_id TEXT NOT NULL UNIQUE, version TEXT, create_event BIGINT,
    partial_state SMALLINT NOT NULL DEFAULT 0, blocked SMALLINT NOT NULL DEFAULT 0,
    published SMALLINT NOT NULL DEFAULT 0,
    room_type TEXT, name TEXT, topic TEXT, avatar_url TEXT, canonical_alias TEXT, encryption TEXT, join_rule TEXT,
    guest_access TEXT, history_visibility TEXT, joined_members BIGINT NOT NULL DEFAULT 0,
    invited_members BIGINT NOT NULL DEFAULT 0, last_activity BIGINT NOT NULL DEFAULT 0)`,
  `CREATE INDEX rooms_published ON rooms (published, joined_members)`,
  `CREATE TABLE aliases (alias TEXT PRIMARY KEY, room BIGINT NOT NULL, creator TEXT NOT NULL,
    created_ts BIGINT NOT NULL)`,
  `CREATE INDEX aliases_room ON aliases (room)`,
]

/**
 * `content` is the exact JSON text; `envelope` is the rest of the PDU. `position` is null for what came late or out of
 * order.
 */
const events = [
  `CREATE TABLE events (event BIGINT PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, room BIGINT NOT NULL,
    position BIGINT,
    topo BIGINT NOT NULL, type TEXT NOT NULL, state_key TEXT, sender TEXT NOT NULL, origin_server_ts BIGINT NOT NULL,
    depth BIGINT NOT NULL, content TEXT NOT NULL, envelope TEXT NOT NULL, redacts TEXT, redacted_by BIGINT,
    relates_to TEXT, rel_type TEXT, thread_root TEXT, rejected SMALLINT NOT NULL DEFAULT 0,
    soft_failed SMALLINT NOT NULL DEFAULT 0, outlier SMALLINT NOT NULL DEFAULT 0, history_visibility TEXT,
    snapshot BIGINT, previous BIGINT)`,
  `CREATE INDEX events_history ON events (room, topo, event)`,
  `CREATE INDEX events_position ON events (room, position)`,
  `CREATE INDEX events_relations ON events (relates_to) WHERE relates_to IS NOT NULL`,
  `CREATE INDEX events_thread ON events (thread_root) WHERE thread_root IS NOT NULL`,
  `CREATE INDEX events_redacts ON events (redacts) WHERE redacts IS NOT NULL`,
  `CREATE TABLE redacted_originals (event BIGINT PRIMARY KEY, content TEXT NOT NULL, envelope TEXT NOT NULL,
    redacted_ts BIGINT NOT NULL)`,
  `CREATE TABLE event_prev (event BIGINT NOT NULL, prev_event_id TEXT NOT NULL, PRIMARY KEY (event, prev_event_id))`,
  `CREATE INDEX event_prev_of ON event_prev (prev_event_id)`,
  `CREATE TABLE event_auth (event BIGINT NOT NULL, auth_event BIGINT NOT NULL, PRIMARY KEY (event, auth_event))`,
  // The forward extremities, each with the state after it.
  `CREATE TABLE heads (room BIGINT NOT NULL, event BIGINT NOT NULL, snapshot BIGINT, PRIMARY KEY (room, event))`,
  `CREATE TABLE gaps (room BIGINT NOT NULL, event BIGINT NOT NULL, missing_event_id TEXT NOT NULL,
    PRIMARY KEY (room, missing_event_id, event))`,
  `CREATE TABLE transactions (user_id TEXT NOT NULL, device_id TEXT NOT NULL, endpoint TEXT NOT NULL,
    room_id TEXT NOT NULL,
    txn_id TEXT NOT NULL, event_id TEXT, created_ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, endpoint, room_id, txn_id))`,
  `CREATE INDEX transactions_event ON transactions (event_id)`,
  `CREATE INDEX transactions_age ON transactions (created_ts)`,
]

/** A snapshot is a difference from an earlier one; a change whose event is null removes the key. */
const state = [
  `CREATE TABLE snapshots (snapshot BIGINT PRIMARY KEY, room BIGINT NOT NULL, number BIGINT NOT NULL, parent BIGINT)`,
  `CREATE TABLE snapshot_changes (snapshot BIGINT NOT NULL, type TEXT NOT NULL, state_key TEXT NOT NULL, event BIGINT,
    PRIMARY KEY (snapshot, type, state_key))`,
  `CREATE TABLE current_state (room BIGINT NOT NULL, type TEXT NOT NULL, state_key TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, type, state_key))`,
  `CREATE TABLE state_changes (position BIGINT NOT NULL, room BIGINT NOT NULL, type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event BIGINT, previous BIGINT, PRIMARY KEY (room, position, type, state_key))`,
]

const members = [
  `CREATE TABLE memberships (room BIGINT NOT NULL, user_id TEXT NOT NULL, membership TEXT NOT NULL, event BIGINT,
    sender TEXT NOT NULL, position BIGINT NOT NULL, forgotten SMALLINT NOT NULL DEFAULT 0,
    out_of_band SMALLINT NOT NULL DEFAULT 0, stripped_state TEXT, displayname TEXT, avatar_url TEXT,
    PRIMARY KEY (room, user_id))`,
  `CREATE INDEX memberships_user ON memberships (user_id, membership, position)`,
  `CREATE INDEX memberships_room ON memberships (room, membership)`,
  `CREATE TABLE membership_history (room BIGINT NOT NULL, user_id TEXT NOT NULL, position BIGINT NOT NULL,
    membership TEXT NOT NULL, event BIGINT, PRIMARY KEY (room, user_id, position))`,
  `CREATE TABLE room_servers (room BIGINT NOT NULL, server TEXT NOT NULL, from_position BIGINT NOT NULL,
    to_position BIGINT,
    PRIMARY KEY (room, server, from_position))`,
  `CREATE INDEX room_servers_server ON room_servers (server)`,
]

/** `kind`: user, admin, guest, appservice. Tokens are kept as their SHA-256 alone. */
const accounts = [
  `CREATE TABLE users (user_id TEXT PRIMARY KEY, password_hash TEXT, kind TEXT NOT NULL, created_ts BIGINT NOT NULL,
    deactivated SMALLINT NOT NULL DEFAULT 0, erased SMALLINT NOT NULL DEFAULT 0, locked SMALLINT NOT NULL DEFAULT 0,
    suspended SMALLINT NOT NULL DEFAULT 0, appservice_id TEXT, consent_version TEXT)`,
  `CREATE TABLE profiles (user_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (user_id, key))`,
  `CREATE TABLE devices (user_id TEXT NOT NULL, device_id TEXT NOT NULL, display_name TEXT,
    created_ts BIGINT NOT NULL,
    last_seen_ts BIGINT, last_seen_ip TEXT, last_seen_user_agent TEXT, dehydrated SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, device_id))`,
  `CREATE TABLE sessions (session BIGINT PRIMARY KEY, user_id TEXT NOT NULL, device_id TEXT NOT NULL,
    token_hash BYTES NOT NULL UNIQUE, refresh_hash BYTES UNIQUE, family TEXT, scope TEXT, created_ts BIGINT NOT NULL,
    expires_ts BIGINT, refreshed_by BIGINT, used SMALLINT NOT NULL DEFAULT 0)`,
  `CREATE INDEX sessions_device ON sessions (user_id, device_id)`,
  `CREATE TABLE uia_sessions (session TEXT PRIMARY KEY, user_id TEXT, endpoint TEXT NOT NULL, body_hash TEXT NOT NULL,
    completed TEXT NOT NULL, params TEXT NOT NULL, expires_ts BIGINT NOT NULL)`,
  `CREATE TABLE login_tokens (token_hash BYTES PRIMARY KEY, user_id TEXT NOT NULL, expires_ts BIGINT NOT NULL)`,
  `CREATE TABLE openid_tokens (token_hash BYTES PRIMARY KEY, user_id TEXT NOT NULL, expires_ts BIGINT NOT NULL)`,
  `CREATE TABLE registration_nonces (nonce TEXT PRIMARY KEY, expires_ts BIGINT NOT NULL)`,
  `CREATE TABLE registration_tokens (token TEXT PRIMARY KEY, uses_allowed BIGINT, pending BIGINT NOT NULL DEFAULT 0,
    completed BIGINT NOT NULL DEFAULT 0, expires_ts BIGINT)`,
  `CREATE TABLE sso_sessions (session TEXT PRIMARY KEY, provider TEXT NOT NULL, data TEXT NOT NULL,
    expires_ts BIGINT NOT NULL)`,
  `CREATE TABLE external_ids (provider TEXT NOT NULL, external_id TEXT NOT NULL, user_id TEXT NOT NULL,
    PRIMARY KEY (provider, external_id))`,
  `CREATE TABLE threepids (medium TEXT NOT NULL, address TEXT NOT NULL, user_id TEXT NOT NULL,
    validated_ts BIGINT NOT NULL,
    added_ts BIGINT NOT NULL, PRIMARY KEY (medium, address))`,
  `CREATE INDEX threepids_user ON threepids (user_id)`,
  `CREATE TABLE threepid_sessions (sid TEXT PRIMARY KEY, client_secret TEXT NOT NULL, medium TEXT NOT NULL,
    address TEXT NOT NULL, token_hash BYTES, send_attempt BIGINT NOT NULL, next_link TEXT, validated_ts BIGINT,
    expires_ts BIGINT NOT NULL, purpose TEXT NOT NULL)`,
]

const personal = [
  // The empty room_id stands for global account data.
  `CREATE TABLE account_data (user_id TEXT NOT NULL, room_id TEXT NOT NULL, type TEXT NOT NULL, content TEXT NOT NULL,
    position BIGINT NOT NULL, PRIMARY KEY (user_id, room_id, type))`,
  `CREATE INDEX account_data_position ON account_data (user_id, position)`,
  `CREATE TABLE filters (user_id TEXT NOT NULL, filter_id BIGINT NOT NULL, definition TEXT NOT NULL,
    PRIMARY KEY (user_id, filter_id))`,
  // thread: '' is the unthreaded receipt, otherwise 'main' or the thread's root.
  `CREATE TABLE receipts (room BIGINT NOT NULL, user_id TEXT NOT NULL, receipt_type TEXT NOT NULL,
    thread TEXT NOT NULL,
    event_id TEXT NOT NULL, event BIGINT, data TEXT NOT NULL, position BIGINT NOT NULL,
    PRIMARY KEY (room, user_id, receipt_type, thread))`,
  `CREATE INDEX receipts_position ON receipts (room, position)`,
  `CREATE TABLE unread_counts (room BIGINT NOT NULL, user_id TEXT NOT NULL, thread TEXT NOT NULL,
    notifications BIGINT NOT NULL,
    highlights BIGINT NOT NULL, unread BIGINT NOT NULL DEFAULT 0, position BIGINT NOT NULL, PRIMARY KEY (room,
    user_id, thread))`,
  `CREATE TABLE notifications (user_id TEXT NOT NULL, position BIGINT NOT NULL, room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    thread TEXT NOT NULL, highlight SMALLINT NOT NULL, actions TEXT NOT NULL, PRIMARY KEY (user_id, position))`,
  `CREATE TABLE pushers (user_id TEXT NOT NULL, app_id TEXT NOT NULL, pushkey TEXT NOT NULL, session BIGINT,
    kind TEXT NOT NULL,
    data TEXT NOT NULL, created_ts BIGINT NOT NULL, position BIGINT NOT NULL, failing_since BIGINT,
    PRIMARY KEY (user_id, app_id, pushkey))`,
  `CREATE TABLE presence (user_id TEXT PRIMARY KEY, presence TEXT NOT NULL, status_msg TEXT,
    last_active_ts BIGINT NOT NULL, position BIGINT NOT NULL)`,
  `CREATE TABLE to_device (position BIGINT PRIMARY KEY, user_id TEXT NOT NULL, device_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    type TEXT NOT NULL, content TEXT NOT NULL)`,
  `CREATE INDEX to_device_device ON to_device (user_id, device_id, position)`,
  `CREATE TABLE received_messages (origin TEXT NOT NULL, message_id TEXT NOT NULL, received_ts BIGINT NOT NULL,
    PRIMARY KEY (origin, message_id))`,
  `CREATE TABLE reports (report BIGINT PRIMARY KEY, kind TEXT NOT NULL, reporter TEXT NOT NULL, room_id TEXT,
    event_id TEXT,
    user_id TEXT, reason TEXT, created_ts BIGINT NOT NULL)`,
]

const keys = [
  `CREATE TABLE device_keys (user_id TEXT NOT NULL, device_id TEXT NOT NULL, keys TEXT NOT NULL,
    position BIGINT NOT NULL, PRIMARY KEY (user_id, device_id))`,
  `CREATE TABLE one_time_keys (user_id TEXT NOT NULL, device_id TEXT NOT NULL, algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key TEXT NOT NULL, uploaded BIGINT NOT NULL, PRIMARY KEY (user_id, device_id, algorithm, key_id))`,
  `CREATE TABLE fallback_keys (user_id TEXT NOT NULL, device_id TEXT NOT NULL, algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key TEXT NOT NULL, used SMALLINT NOT NULL DEFAULT 0, PRIMARY KEY (user_id, device_id, algorithm))`,
  `CREATE TABLE cross_signing_keys (user_id TEXT NOT NULL, usage TEXT NOT NULL, key TEXT NOT NULL,
    position BIGINT NOT NULL, PRIMARY KEY (user_id, usage))`,
  `CREATE TABLE key_signatures (target_user TEXT NOT NULL, target_key TEXT NOT NULL, signer_user TEXT NOT NULL,
    signer_key TEXT NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (target_user, target_key, signer_user,
    signer_key))`,
  `CREATE TABLE backup_versions (user_id TEXT NOT NULL, version BIGINT NOT NULL, algorithm TEXT NOT NULL,
    auth_data TEXT NOT NULL,
    etag BIGINT NOT NULL, deleted SMALLINT NOT NULL DEFAULT 0, PRIMARY KEY (user_id, version))`,
  `CREATE TABLE backup_keys (user_id TEXT NOT NULL, version BIGINT NOT NULL, room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    first_message_index BIGINT NOT NULL, forwarded_count BIGINT NOT NULL, verified SMALLINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (user_id, version, room_id, session_id))`,
  // room 0: everybody who shares a room with the user.
  `CREATE TABLE device_list_changes (position BIGINT NOT NULL, user_id TEXT NOT NULL, room BIGINT NOT NULL,
    PRIMARY KEY (position, user_id, room))`,
  `CREATE INDEX device_list_changes_room ON device_list_changes (room, position)`,
  `CREATE TABLE remote_device_lists (user_id TEXT PRIMARY KEY, stream_id BIGINT, stale SMALLINT NOT NULL DEFAULT 0,
    retry_at BIGINT)`,
]

const federation = [
  `CREATE TABLE received_transactions (origin TEXT NOT NULL, txn_id TEXT NOT NULL, response TEXT,
    received_ts BIGINT NOT NULL, PRIMARY KEY (origin, txn_id))`,
  `CREATE TABLE staged_pdus (id BIGINT PRIMARY KEY, room_id TEXT NOT NULL, event_id TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    pdu TEXT NOT NULL, received_ts BIGINT NOT NULL)`,
  `CREATE INDEX staged_pdus_room ON staged_pdus (room_id, id)`,
  `CREATE TABLE destinations (server TEXT PRIMARY KEY, position BIGINT NOT NULL, failures BIGINT NOT NULL DEFAULT 0,
    retry_at BIGINT)`,
  `CREATE TABLE outbound_edus (id BIGINT PRIMARY KEY, server TEXT NOT NULL, edu TEXT NOT NULL)`,
  `CREATE INDEX outbound_edus_server ON outbound_edus (server, id)`,
  `CREATE TABLE server_keys (server TEXT NOT NULL, key_id TEXT NOT NULL, public_key TEXT NOT NULL,
    valid_until_ts BIGINT,
    expired_ts BIGINT, response TEXT, fetched_ts BIGINT NOT NULL, PRIMARY KEY (server, key_id))`,
]
