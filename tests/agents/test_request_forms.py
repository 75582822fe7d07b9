"""What any compatible server is sent: one system message, turns, and no option it refuses twice."""

import httpx2
import openai
import pytest

from shoptalk.agents.models.base import Line, Prompt, Role
from shoptalk.agents.models.layout import Notes, lay_out, strict_schema
from shoptalk.agents.models.refusals import Body, Refusals, ask
from shoptalk.agents.toolbox import TOOLBOX

NOTES = Notes("[shop system 1f]")


def prompt(*lines: tuple[Role, str]) -> Prompt:
    return Prompt(
        model="m",
        instructions="Sell.",
        situation="It is Monday.",
        lines=[Line(role=role, text=text) for role, text in lines],
        tools=(),
    )


def test_neighbours_of_one_side_are_joined_and_the_customer_speaks_first() -> None:
    layout = lay_out(
        prompt(
            (Role.SHOP, "Welcome!"),
            (Role.SHOP, "How are you?"),
            (Role.CUSTOMER, "Hello"),
            (Role.CUSTOMER, "how much?"),
            (Role.SHOP, "49.90 USD"),
            (Role.CUSTOMER, "ok"),
        ),
        NOTES,
    )
    assert layout.messages == [
        ("user", "Hello\nhow much?"),
        ("assistant", "49.90 USD"),
        ("user", "ok"),
    ]
    assert layout.system.startswith("Sell.\n\nIt is Monday.\n\n")
    assert layout.system.endswith("Welcome!\nHow are you?")


def test_a_note_has_a_mark_that_the_system_message_announces_and_no_customer_can_guess() -> None:
    first, second = Notes.new(), Notes.new()
    assert first.mark != second.mark
    assert first.mark in lay_out(prompt((Role.CUSTOMER, "Hi")), first).system
    assert first.write("Shorter.").startswith(first.mark)


@pytest.mark.parametrize("name", TOOLBOX)
def test_a_tools_schema_has_plain_types_and_a_strict_form(name: str) -> None:
    plain = TOOLBOX[name].tool.parameters
    assert all(isinstance(each["type"], str) for each in plain["properties"].values())
    strict = strict_schema(plain)
    assert strict["required"] == list(strict["properties"])


def refused(message: str, param: str | None = None) -> openai.BadRequestError:
    request = httpx2.Request("POST", "http://127.0.0.1/v1")
    response = httpx2.Response(400, request=request)
    error = openai.BadRequestError(message, response=response, body={"message": message})
    error.param = param
    return error


class Server:
    """Refuses bodies that hold a key, in its own words."""

    def __init__(self, **refusals: str) -> None:
        self.refusals = refusals
        self.asked: list[Body] = []

    def __call__(self, body: Body) -> str:
        self.asked.append(body)
        for name, message in self.refusals.items():
            if f'"{name}"' in str(body).replace("'", '"'):
                raise refused(message)
        return "answer"


def body(**options: object) -> Body:
    messages = [{"role": "system", "content": "Sell."}, {"role": "user", "content": "Hi"}]
    return {"model": "m", "messages": messages, **options}


@pytest.mark.parametrize(
    ("server", "options", "left"),
    [
        (
            Server(max_tokens="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."),
            {"max_tokens": 9},
            {"max_completion_tokens": 9},
        ),
        (
            Server(max_completion_tokens="extra fields: max_completion_tokens"),
            {"max_completion_tokens": 9},
            {"max_tokens": 9},
        ),
        (
            Server(max_tokens="no max_tokens", max_completion_tokens="no max_completion_tokens"),
            {"max_tokens": 9},
            {},
        ),
        (
            Server(max_tokens="maximum context length is 4096 tokens"),
            {"max_tokens": 9},
            {},
        ),
        (
            Server(strict="Unknown name strict"),
            {"tools": [{"function": {"name": "f", "strict": True}}]},
            {"tools": [{"function": {"name": "f"}}]},
        ),
        (Server(store="store is not known"), {"store": False}, {}),
        (Server(include="include is not known"), {"include": ["a"]}, {}),
    ],
)
def test_an_option_that_is_refused_is_left_out_and_not_tried_again(
    server: Server, options: dict[str, object], left: dict[str, object]
) -> None:
    refusals = Refusals()
    assert ask(refusals, "m", body(**options), server) == "answer"
    tries = len(server.asked)
    assert ask(refusals, "m", body(**options), server) == "answer"
    assert len(server.asked) == tries + 1
    assert server.asked[-1] == body(**left)


def test_a_template_without_a_system_role_gets_it_in_the_first_message() -> None:
    server = Server(system="System role not supported")
    assert ask(Refusals(), "m", body(), server) == "answer"
    assert server.asked[-1]["messages"] == [{"role": "user", "content": "Sell.\n\nHi"}]


def test_what_names_no_option_is_passed_on() -> None:
    server = Server(model="The model does not exist.")
    with pytest.raises(openai.BadRequestError):
        ask(Refusals(), "m", body(max_tokens=9), server)
    assert len(server.asked) == 1
