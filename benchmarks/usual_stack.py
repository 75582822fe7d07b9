"""Turns as the usual stack answers them: ORM, openai, requests. The measure for shoptalk's turns.

One select for what waits, and for each customer one for the conversation, one request to the
model, one send, one commit. No promise is kept: two of these would answer everybody twice, and one
that dies between sending and committing sends again.

`python -m benchmarks.usual_stack DATABASE_URL VENDORS_URL SHARE OF` answers each customer whose id
leaves SHARE when divided by OF, once it is told to on standard input.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import requests
from openai.types.chat import ChatCompletionMessageParam
from requests.adapters import HTTPAdapter
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

from shoptalk.db.models import Conversation, Message, Product

THREADS = 30
LAST_MESSAGES = 10
INSTRUCTIONS = "You are the sales assistant of a shop. Answer briefly.\n\nCatalog:\n"


class Stack:
    def __init__(self, database_url: str, vendors: str) -> None:
        engine = create_engine(
            database_url.replace("postgresql://", "postgresql+psycopg://"), pool_size=20
        )
        self.sessions = sessionmaker(engine)
        self._model = openai.OpenAI(api_key="any", base_url=f"{vendors}/v1")
        self._http = requests.Session()
        self._http.mount("http://", HTTPAdapter(pool_maxsize=THREADS))
        self._send_url = f"{vendors}/v25.0/me/messages"

    def answer(self, conversation_id: int) -> None:
        with self.sessions.begin() as session:
            conversation = session.get_one(Conversation, conversation_id)
            said = self._ask(session, conversation)
            answer = self._http.post(
                self._send_url,
                json={"recipient": {"id": conversation.customer_id}, "message": {"text": said}},
                headers={"Authorization": "Bearer EAAG-bench"},
                timeout=10,
            ).json()
            newest = self._last(session, conversation)[0]
            newest.reply_sent = True
            newest.outcome = "answered"
            session.add(
                Message(
                    workspace_id=conversation.workspace_id,
                    conversation_id=conversation.id,
                    message_id=answer["message_id"],
                    content=said,
                    sender_type="agent",
                    is_old=False,
                    created_at=newest.created_at,
                    imported_at=newest.imported_at,
                    sequence_no=newest.sequence_no + 1,
                )
            )
            conversation.message_count += 1

    def _ask(self, session: Session, conversation: Conversation) -> str:
        products = session.scalars(
            select(Product).where(Product.workspace_id == conversation.workspace_id)
        )
        catalog = "\n".join(f"- {each.name} | {each.price} {each.currency}" for each in products)
        completion = self._model.chat.completions.create(
            model="gpt-6-luna",
            messages=[
                {"role": "system", "content": INSTRUCTIONS + catalog},
                *(_message(each) for each in reversed(self._last(session, conversation))),
            ],
        )
        return completion.choices[0].message.content or ""

    def _last(self, session: Session, conversation: Conversation) -> list[Message]:
        newest_first = (
            select(Message)
            .where(Message.conversation_id == conversation.id)
            .order_by(Message.created_at.desc(), Message.sequence_no.desc())
            .limit(LAST_MESSAGES)
        )
        return list(session.scalars(newest_first))


def _message(message: Message) -> ChatCompletionMessageParam:
    if message.sender_type == "customer":
        return {"role": "user", "content": message.content}
    return {"role": "assistant", "content": message.content}


def main() -> None:
    database_url, vendors, share, of = sys.argv[1:]
    stack = Stack(database_url, vendors)
    with stack.sessions() as session:
        waiting = session.scalars(
            select(Message.conversation_id)
            .where(
                Message.sender_type == "customer",
                Message.reply_sent.is_(False),
                Message.conversation_id % int(of) == int(share),
            )
            .order_by(Message.created_at)
        ).all()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(stack.answer, waiting))
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
