-- Phones that hold a session of their own: how each stands, who holds it, what people ask of it; and what happens to a
-- message after it was sent. `phone_status` keeps the legacy server's name and columns, and its rows where it is there.

CREATE TABLE IF NOT EXISTS phone_status (
    id              serial PRIMARY KEY,
    company_id      varchar(255) NOT NULL,
    phone_index     text NOT NULL DEFAULT '0',
    phone_number    varchar(50),
    status          varchar(50) NOT NULL DEFAULT 'initializing',
    last_seen       timestamptz,
    metadata        jsonb,                           -- replaced with each state: a QR or a code lives no longer
    connection_type varchar(20) DEFAULT 'wwebjs',
    process_name    varchar(20),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE phone_status ADD COLUMN IF NOT EXISTS connection_type varchar(20) DEFAULT 'wwebjs';
ALTER TABLE phone_status ADD COLUMN IF NOT EXISTS process_name varchar(20);
ALTER TABLE phone_status ADD COLUMN IF NOT EXISTS build varchar(100);
ALTER TABLE phone_status ADD COLUMN IF NOT EXISTS since timestamptz;  -- begin of the state, however often it is told
-- The legacy server upserts on these two columns, but no script of it creates the index: the newest row stays.
DELETE FROM phone_status older USING phone_status newer
WHERE older.company_id = newer.company_id AND older.phone_index = newer.phone_index
  AND (coalesce(older.updated_at, '-infinity'), older.ctid) < (coalesce(newer.updated_at, '-infinity'), newer.ctid);
CREATE UNIQUE INDEX IF NOT EXISTS phone_status_phone ON phone_status (company_id, phone_index);

-- Who may open a phone's session: the holder of the phone's advisory lock, as the last one wrote it down. Rows stay
-- when a phone is removed: its fence must never be given again.
CREATE TABLE phone_sessions (
    company_id    varchar(255) NOT NULL,
    phone_index   integer NOT NULL,
    fence         bigint NOT NULL DEFAULT 0,         -- grows with each holder; guards what it writes
    regained      integer NOT NULL DEFAULT 0,        -- how often the holder lost its lock and got it back
    host          text NOT NULL DEFAULT '',          -- of the holder: one system in which its pid means one process
    pid           integer NOT NULL DEFAULT 0,
    pid_started   double precision NOT NULL DEFAULT 0,
    released      boolean NOT NULL DEFAULT true,     -- closed in good order: the next one need not wait
    held_at       timestamptz,
    watched_until timestamptz,                       -- somebody looks at the phone's QR until then
    PRIMARY KEY (company_id, phone_index)
);

CREATE TABLE session_requests (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id   varchar(255) NOT NULL,
    phone_index  integer NOT NULL,
    ask          varchar(20) NOT NULL,
    phone_number varchar(20),
    asked_at     timestamptz NOT NULL DEFAULT now(),
    taken_at     timestamptz
);
CREATE UNIQUE INDEX session_requests_open ON session_requests (company_id, phone_index, ask) WHERE taken_at IS NULL;
CREATE INDEX session_requests_taken ON session_requests (taken_at) WHERE taken_at IS NOT NULL;

ALTER TABLE messages
    ADD COLUMN elsewhere boolean NOT NULL DEFAULT false,  -- sent from the telephone or another device, not by us
    ADD COLUMN edited boolean NOT NULL DEFAULT false,
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN revoked_at timestamptz,
    ADD COLUMN reaction varchar(100),                -- the newest one, of either side
    ADD COLUMN reaction_timestamp timestamptz,
    ADD COLUMN reaction_by varchar(255);

-- Changes of messages that we do not know (yet).
CREATE TABLE unmatched_changes (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel           varchar(20) NOT NULL,
    provider_phone_id varchar(255) NOT NULL,
    external_id       varchar(255) NOT NULL,
    change            varchar(20) NOT NULL,
    text              text NOT NULL,
    by                varchar(255) NOT NULL,
    at                timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel, provider_phone_id, external_id, change, by, at)
);

-- Messages sent elsewhere, or by us: nobody can tell while an attempt of ours that began before has no outcome.
CREATE TABLE unsettled_sent (
    id                uuid PRIMARY KEY,              -- of the message that it becomes
    channel           varchar(20) NOT NULL,
    provider_phone_id varchar(255) NOT NULL,
    external_id       varchar(255) NOT NULL,
    chat_id           varchar(255) NOT NULL,
    message_type      varchar(50) NOT NULL,
    content           text,
    payload           jsonb NOT NULL,
    identities        jsonb NOT NULL,
    sent_at           timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel, provider_phone_id, external_id)
);
