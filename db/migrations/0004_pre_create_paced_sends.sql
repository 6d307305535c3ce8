-- What phones with limits of their own have sent lately (bisnes_core.pace). Other phones have no rows here.

CREATE TABLE paced_sends (
    message_id  uuid PRIMARY KEY,
    company_id  varchar(255) NOT NULL,
    phone_index integer NOT NULL,
    chat_id     varchar(255) NOT NULL,
    at          timestamptz NOT NULL,                -- when it was let go; an attempt that failed counts like any other
    first       boolean NOT NULL                     -- the first one to somebody who never wrote to us; kept for good
);
CREATE INDEX paced_sends_phone ON paced_sends (company_id, phone_index, at);
CREATE INDEX paced_sends_first ON paced_sends (company_id, phone_index, at) WHERE first;
CREATE INDEX paced_sends_chat ON paced_sends (company_id, phone_index, chat_id) WHERE first;

-- When somebody wrote to us last.
CREATE INDEX messages_heard ON messages (company_id, phone_index, chat_id, sent_at) WHERE direction = 'inbound';
