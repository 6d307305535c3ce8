"""Dramatiq's Redis broker, made prompt: an idle consumer waits on a bell instead of polling.

The stock consumer asks Redis again after a backoff of up to a second, which would be most of an idle message's latency.
Here each enqueue also rings a bell (a list), on which idle consumers block; one ring wakes one consumer. A lost bell
costs one `worker_timeout`. The delay queues are left out: due times live in PostgreSQL.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

# Dramatiq reads this at import: pause before a consumer reconnects, 3,000 ms by default.
os.environ.setdefault("dramatiq_restart_delay", "250")

import dramatiq.worker
import redis
from dramatiq import MessageProxy
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from bisnes_core.settings import Settings

# Pause before an acknowledgement is repeated; Dramatiq's 5 s would hold a worker thread that long after each outage.
dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS = 1

#: Rings kept for consumers that are busy; more would only cause fetches that find nothing.
RINGS_MAX = 64
#: Longest wait for the bell; bounds what a lost ring costs and how long a consumer takes to notice its end.
BELL_WAIT_S = 1
#: A command may take this long before the connection counts as dead; larger than BELL_WAIT_S.
SOCKET_TIMEOUT_S = 3
#: How long a consumer whose worker is full waits before it looks for room.
FULL_WAIT_S = 0.02


def redis_client(settings: Settings) -> redis.Redis:
    """A client that reports trouble at once: one silent reconnect, no backoff."""
    return redis.Redis.from_url(
        settings.redis_address,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
    )


class TicketBroker(RedisBroker):
    """A broker for tickets: prompt, without delays, without retries of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Dramatiq annotates only in part
            client=redis_client(settings), middleware=[], namespace="bisnes:dramatiq", dead_message_ttl=3_600_000
        )

    @property
    def consumer_class(self) -> type[_RedisConsumer]:
        """Consumers that wait on the bell."""
        return _BellConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Declares a queue, without the delay queue that nobody would use."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def do_enqueue(self, queue_name: str, *args: Any) -> None:
        """Puts a ticket on its queue and rings the bell."""
        self._dispatch("enqueue")(queue_name, *args)  # type: ignore[no-untyped-call]  # Dramatiq annotates only in part
        bell = bell_of(queue_name)
        with self.client.pipeline(transaction=False) as pipe:
            pipe.rpush(bell, b"1")
            pipe.ltrim(bell, -RINGS_MAX, -1)
            pipe.execute()


def bell_of(queue_name: str) -> str:
    """Redis key of a queue's bell."""
    return f"bisnes:bell:{queue_name}"


class _BellConsumer(_RedisConsumer):
    def __next__(self) -> MessageProxy | None:
        try:
            if self.message_cache:
                return self._take()
            room = self.prefetch - self.outstanding_message_count
            if room <= 0:
                threading.Event().wait(FULL_WAIT_S)
                return None
            self.message_cache = self.broker.do_fetch(self.queue_name, room)
            if self.message_cache:
                return self._take()
            self.broker.client.blpop(bell_of(self.queue_name), timeout=BELL_WAIT_S)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # as above
        return None

    def _take(self) -> MessageProxy:
        message = dramatiq.Message.decode(self.message_cache.pop(0))
        self.queued_message_ids.add(message.message_id)
        return MessageProxy(message)


def lend_loop(loop: Any) -> None:
    """Lets Dramatiq's async actors run on the process's own event loop instead of starting a second one."""
    lent = EventLoopThread(logging.getLogger(__name__))
    lent.loop.close()
    lent.loop = loop
    set_event_loop_thread(lent)
