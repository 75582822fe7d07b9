"""Whatever a server answers, the rest of the page still counts."""

from contextlib import suppress
from typing import Any

import responses
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import BadPayload
from shoptalk.platforms.chatwoot.adapter import HANDED_OVER
from shoptalk.platforms.chatwoot.parser import ChatwootParser
from shoptalk.types import InboundMessage, Unreadable

from .chatwoot_samples import (
    ANN,
    CONVERSATION,
    CONVERSATIONS,
    MESSAGES,
    THREAD_ID,
    chatwoot,
    conversation,
    listing,
    message,
    thread,
)

READER = ChatwootParser(server="chat.example", account_id="1", user_id="7")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["incoming", "user", "User", "image", "audio", "open", "pending", "+49151"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "name", "sender", "assignee", "deleted", "file_type"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def damaged(row: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The row with some of its fields gone, or of any kind whatever."""
    names = sorted(row)
    return VALUES | st.builds(
        lambda changes, gone: {
            name: value for name, value in {**row, **changes}.items() if name not in gone
        },
        st.dictionaries(st.sampled_from(names), VALUES, max_size=4),
        st.sets(st.sampled_from(names), max_size=2),
    )


@given(row=damaged(message(801, attachments=[{"id": 5}], content_attributes={"in_reply_to": 800})))
def test_a_message_is_read_or_set_aside(row: Any) -> None:
    found = READER.message(row, thread_id=THREAD_ID)
    if isinstance(found, InboundMessage):
        assert found.message_id.startswith("chatwoot_chat.example_1_12_")
        assert found.created_at.utcoffset() is not None
    else:
        assert isinstance(found, Unreadable)
        assert found.reason


@given(row=damaged(conversation()))
def test_a_conversation_is_read_or_set_aside_and_its_neighbours_count(row: Any) -> None:
    with responses.mock:
        responses.get(CONVERSATIONS, json=listing(row, conversation(4711)))
        page = chatwoot().fetch_page(cursor=None, limit=25, since=None)
    assert len(page.threads) + len(page.unreadable) == 2
    assert page.threads[-1].thread_id == "chatwoot_1_4711"
    assert page.next_cursor == "2.2"


@given(rows=st.lists(damaged(message(801)), max_size=4))
def test_a_page_of_messages_is_read_whatever_is_in_it(rows: list[Any]) -> None:
    with responses.mock:
        responses.get(MESSAGES, json=thread(*rows, message(900)))
        page = chatwoot().fetch_thread(THREAD_ID, cursor="", limit=50)
    assert len(page.messages) + len(page.unreadable) == len(rows) + 1


@given(row=damaged(conversation(status="pending")))
def test_a_conversation_is_handed_over_whatever_it_looks_like(row: Any) -> None:
    with responses.mock:
        responses.get(CONVERSATION, json=row)
        for name in ("toggle_status", "labels", "messages", "assignments"):
            responses.post(f"{CONVERSATION}/{name}", json={})
        with suppress(BadPayload):  # where the answer is no object
            chatwoot().hand_over(ANN, "why")
            last = responses.calls[-1].request
            assert str(last.url).endswith("/messages") or HANDED_OVER in row["labels"]


@given(row=damaged(conversation()))
def test_a_state_is_told_or_makes_no_sense(row: Any) -> None:
    with responses.mock:
        responses.get(CONVERSATION, json=row)
        with suppress(BadPayload):
            state = chatwoot().thread_state(ANN)
            assert state.max_text is None or state.max_text > 0
