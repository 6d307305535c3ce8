-- Companies, keys, phones, messages, provider events, process health.
-- Names and columns of the legacy server stay where legacy data has them (phone_configs, messages, process_health).

CREATE TABLE companies (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id  varchar(255) NOT NULL UNIQUE,
    name        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id          uuid PRIMARY KEY,
    company_id  varchar(255) NOT NULL REFERENCES companies (company_id) ON DELETE CASCADE,
    name        text NOT NULL DEFAULT '',
    key_hash    bytea NOT NULL UNIQUE,               -- SHA-256 of the key: 256 random bits need no slow hash
    key_hint    text NOT NULL,                       -- last characters, to tell keys apart
    scopes      text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);

CREATE TABLE phone_configs (
    id                          serial PRIMARY KEY,
    company_id                  varchar(255) NOT NULL,
    phone_index                 integer NOT NULL DEFAULT 0,
    connection_type             varchar(20) NOT NULL,
    process_name                varchar(20) NOT NULL,   -- the channel, its watcher
    display_phone_number        varchar(50),
    status                      varchar(50) NOT NULL DEFAULT 'ready',
    dialog360_client_id         varchar(255),
    dialog360_channel_id        varchar(255),
    api_key_encrypted           text,
    meta_phone_number_id        varchar(255),
    meta_waba_id                varchar(255),
    meta_access_token_encrypted text,
    config                      jsonb NOT NULL DEFAULT '{}',  -- other fields of the channel's configuration
    secrets                     jsonb NOT NULL DEFAULT '{}',  -- other secret fields, each iv:tag:ciphertext
    on_unconfirmed              varchar(10) NOT NULL DEFAULT 'resend' CHECK (on_unconfirmed IN ('resend', 'hold')),
    provider_phone_id           varchar(255),           -- the provider's name of the phone: routes webhooks
    paused_until                timestamptz,
    pause_reason                text,
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, phone_index)
);
CREATE INDEX phone_configs_process_status ON phone_configs (process_name, status) WHERE process_name IS NOT NULL;
CREATE INDEX phone_configs_connection_company ON phone_configs (connection_type, company_id);
CREATE UNIQUE INDEX phone_configs_provider_phone ON phone_configs (process_name, provider_phone_id)
    WHERE provider_phone_id IS NOT NULL;

CREATE TABLE messages (
    id              uuid PRIMARY KEY,                -- ours, UUIDv7
    seq             bigint GENERATED ALWAYS AS IDENTITY,  -- order of acceptance
    company_id      varchar(255) NOT NULL,
    phone_index     integer NOT NULL,
    chat_id         varchar(255) NOT NULL,
    direction       varchar(20) NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    message_type    varchar(50) NOT NULL,
    provider        varchar(20) NOT NULL,            -- the channel
    content         text,                            -- readable text
    payload         jsonb NOT NULL DEFAULT '{}',
    author          text NOT NULL DEFAULT '',
    identities      jsonb,                           -- other names of an inbound message's sender
    status          varchar(20) NOT NULL,
    priority        smallint NOT NULL DEFAULT 0,     -- 0 interactive, 5 bulk
    due_at          timestamptz NOT NULL DEFAULT now(),
    attempts        smallint NOT NULL DEFAULT 0,
    throttles       smallint NOT NULL DEFAULT 0,     -- throttled in a row; no attempts
    fence           integer NOT NULL DEFAULT 0,      -- grows with each claim; guards the outcome
    holder          varchar(64),                     -- process instance that claimed it last
    lease_until     timestamptz,
    attempt_at      timestamptz,                     -- begin of the last attempt
    confirm_at      timestamptz,                     -- when an unconfirmed message is looked at next
    held            boolean NOT NULL DEFAULT false,  -- unconfirmed for good: waits for a person
    idempotency_key varchar(255),
    request_hash    bytea,
    external_id     varchar(255),                    -- the provider's message id
    error_code      varchar(100),
    error           text,
    attempt_log     jsonb NOT NULL DEFAULT '[]',
    created_at      timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz,
    delivered_at    timestamptz,
    read_at         timestamptz,
    failed_at       timestamptz,
    receipt_at      timestamptz                      -- when the first receipt reached us
) WITH (fillfactor = 70);                            -- room for the updates of a message's life on its own page

CREATE UNIQUE INDEX messages_idempotency ON messages (company_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX messages_external ON messages (company_id, phone_index, direction, external_id)
    WHERE external_id IS NOT NULL;
-- Cost of claiming must not grow with history: each of these holds open messages only.
CREATE INDEX messages_claim ON messages (company_id, phone_index, priority, seq) WHERE status = 'queued';
CREATE INDEX messages_chat_open ON messages (company_id, phone_index, chat_id, seq)
    WHERE status IN ('queued', 'sending', 'unconfirmed');
CREATE INDEX messages_lease ON messages (lease_until) WHERE status = 'sending';
CREATE INDEX messages_confirm ON messages (confirm_at) WHERE status = 'unconfirmed' AND NOT held;
CREATE INDEX messages_list ON messages (company_id, seq DESC);
CREATE INDEX messages_handed ON messages (company_id, phone_index, sent_at) WHERE sent_at IS NOT NULL;

CREATE TABLE provider_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel      varchar(20) NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    body         bytea NOT NULL,                     -- exactly what was signed
    parsed_at    timestamptz
);
CREATE INDEX provider_events_unparsed ON provider_events (id) WHERE parsed_at IS NULL;
CREATE INDEX provider_events_parsed ON provider_events (parsed_at) WHERE parsed_at IS NOT NULL;

-- News of messages that we do not know (yet): a receipt can overtake the answer of its send.
CREATE TABLE unmatched_receipts (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel             varchar(20) NOT NULL,
    provider_phone_id   varchar(255) NOT NULL,
    external_id         varchar(255) NOT NULL,
    status              varchar(20) NOT NULL,
    at                  timestamptz NOT NULL,
    error_code          varchar(100),
    error               text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel, provider_phone_id, external_id, status)
);

CREATE TABLE quarantined_items (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    bigint NOT NULL,
    channel     varchar(20) NOT NULL,
    reason      text NOT NULL,
    item        jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE idempotent_answers (
    company_id      varchar(255) NOT NULL,
    idempotency_key varchar(255) NOT NULL,
    request_hash    bytea NOT NULL,
    status          integer NOT NULL,
    body            jsonb NOT NULL,
    location        text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, idempotency_key)
);

CREATE TABLE process_health (
    process_name        varchar(20) NOT NULL,
    instance            varchar(64) NOT NULL,        -- number within its watcher; a respawned process takes it over
    status              varchar(20) NOT NULL DEFAULT 'unknown',
    pid                 integer NOT NULL,
    host                text NOT NULL DEFAULT '',
    started_at          timestamptz NOT NULL,
    last_heartbeat      timestamptz NOT NULL DEFAULT now(),
    error_count         integer NOT NULL DEFAULT 0,
    last_error          text,
    uptime_seconds      integer NOT NULL DEFAULT 0,
    memory_usage_mb     integer NOT NULL DEFAULT 0,
    cpu_usage_percent   numeric(5, 2) NOT NULL DEFAULT 0,
    active_connections  integer NOT NULL DEFAULT 0,
    messages_processed  bigint NOT NULL DEFAULT 0,
    detail              jsonb NOT NULL DEFAULT '{}',
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process_name, instance)
);
CREATE INDEX process_health_status_heartbeat ON process_health (status, last_heartbeat);
