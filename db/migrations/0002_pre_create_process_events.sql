-- What happened to processes: a copy of the supervisor's journals, of all hosts. Names and columns of the legacy
-- server's table, with what a copy needs: whose journal it was, and an id by which nothing is copied twice.

CREATE TABLE process_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid NOT NULL UNIQUE,                 -- the journal's
    process_name varchar(64) NOT NULL,                 -- the watcher
    event_type   varchar(50) NOT NULL,
    event_data   jsonb NOT NULL DEFAULT '{}',          -- instance, pid, reason, exit code, last log lines, ...
    severity     varchar(20) NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    host         text NOT NULL DEFAULT '',
    "timestamp"  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX process_events_process ON process_events (process_name, "timestamp" DESC);
-- What retention looks for: it must not read what is kept for good.
CREATE INDEX process_events_passing ON process_events ("timestamp") WHERE severity IN ('info', 'warning');
