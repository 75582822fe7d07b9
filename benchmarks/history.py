"""A shop's past, written by the database itself: any number of messages within seconds.

Ten messages a conversation, every fifth of them a customer's that was answered, by a turn with
its delivery; every fifth answer sold something. The imports that brought them are kept. Of those
that met nothing there is a day's worth, whatever the size: they are forgotten after two days.
"""

from datetime import datetime

from sqlalchemy import text

from shoptalk.db.engine import Database

MESSAGES_EACH = 10
IMPORTS_OF_A_DAY = 8_640


def fill_history(database: Database, channel_id: int, messages: int, *, now: datetime) -> None:
    """Give a channel `messages` more messages, the newest of them a day old, and ANALYZE."""
    values = {"channel": channel_id, "threads": messages // MESSAGES_EACH, "now": now}
    with database.transaction() as session:
        # Faster, and nothing here refers to what is not there.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in _STATEMENTS:
            session.execute(text(statement), values)
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))


_STATEMENTS = (
    """
    INSERT INTO conversations (channel_integration_id, workspace_id, customer_id, thread_id,
        platform, channel, agent_id, status, last_message_at, message_count, sequence_last,
        history_complete, thread_updated_at)
    SELECT channel.id, channel.workspace_id, 'filled_' || n, 't_filled_' || n, channel.channel,
        channel.channel, channel.agent_id, 'open', moment.at, 10, 10, true, moment.at
    FROM channel_integrations AS channel, generate_series(1, :threads) AS n,
        LATERAL (SELECT CAST(:now AS timestamptz) - interval '1 day' - interval '1 minute' * n)
            AS moment (at)
    WHERE channel.id = :channel
    """,
    """
    INSERT INTO ai_response_queue (workspace_id, conversation_id, status, first_message_at,
        last_message_at, message_count, due_at, outcome, created_at, closed_at)
    SELECT workspace_id, id, 'answered', last_message_at, last_message_at, 1, last_message_at,
        'answered', last_message_at, last_message_at
    FROM conversations, generate_series(1, 2)
    WHERE channel_integration_id = :channel AND thread_id LIKE 't\\_filled\\_%'
    """,
    "ANALYZE conversations, ai_response_queue",  # for the join that follows
    """
    INSERT INTO messages (workspace_id, conversation_id, message_id, content, sender_type,
        is_old, reply_sent, created_at, imported_at, sequence_no, outcome, turn_id)
    SELECT conversation.workspace_id, conversation.id, 'm_filled_' || row_number() OVER (),
        'How much is the tea set? ' || n,
        (ARRAY['customer', 'agent', 'customer', 'employee', 'customer'])[1 + n % 5], n < 6,
        n < 6 OR n % 5 IN (0, 2, 4) AND NOT (n = 9 AND conversation.id % 100 = 0),
        last_message_at - interval '1 minute' * (10 - n), last_message_at, n,
        CASE WHEN n % 5 IN (0, 2, 4) THEN CASE WHEN n < 6 THEN 'history'
            WHEN n = 9 AND conversation.id % 100 = 0 THEN 'taken_over' ELSE 'answered' END END,
        CASE WHEN n = 10 THEN turn.id END
    FROM conversations AS conversation
    JOIN (SELECT conversation_id, min(id) AS id FROM ai_response_queue GROUP BY 1) AS turn
        ON turn.conversation_id = conversation.id,
        generate_series(1, 10) AS n
    WHERE channel_integration_id = :channel AND thread_id LIKE 't\\_filled\\_%'
    """,
    """
    INSERT INTO deliveries (workspace_id, conversation_id, turn_id, part_no, content, status,
        message_id, created_at, sent_at)
    SELECT workspace_id, conversation_id, id, 1, '25.00 USD',
        CASE WHEN id % 1000 = 0 THEN 'failed' ELSE 'sent' END, 'm_sent_' || id, closed_at, closed_at
    FROM ai_response_queue WHERE status = 'answered'
    """,
    """
    INSERT INTO orders (workspace_id, conversation_id, turn_id, product_id, product_name, quantity,
        unit_price, currency, total, created_at)
    SELECT workspace_id, conversation_id, id, 'p1', 'Tea set', 1, 25, 'USD', 25, closed_at
    FROM ai_response_queue WHERE status = 'answered' AND id % 5 = 0
    """,
    f"""
    INSERT INTO import_runs (workspace_id, channel_integration_id, kind, started_at, calls)
    SELECT workspace_id, id, 'poll', CAST(:now AS timestamptz) - interval '10 seconds' * n, 1
    FROM channel_integrations, generate_series(1, {IMPORTS_OF_A_DAY}) AS n WHERE id = :channel
    """,
    """
    INSERT INTO import_runs (workspace_id, channel_integration_id, kind, started_at, calls, new)
    SELECT workspace_id, id, 'poll',
        CAST(:now AS timestamptz) - interval '1 day' - interval '1 minute' * n, 1, 2
    FROM channel_integrations, generate_series(1, CAST(:threads AS int) * 5) AS n
    WHERE id = :channel
    """,
    """
    UPDATE channel_integrations SET conversation_count = conversation_count + :threads
    WHERE id = :channel
    """,
)
