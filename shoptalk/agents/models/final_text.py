"""What of a model's text is its answer: without its thoughts, and without a template's marks.

A server that knows its model's template hands over the answer alone. Many do not, and leave in
the text what the model wrote around it. The marks are those of templates in use, not words of any
language: a text that holds none of them comes back as it is.
"""

import re

_NAMES = (
    r"(?:[a-z]{1,12}:)?(?:think(?:ing)?|thoughts?|thought_process|reason(?:ing)?|reflection|"
    r"scratchpad|inner_monologue|chain_of_thought|analysis)"
)
#: In brackets only as Mistral has it, in capitals: a customer may well be sent "[reason]".
_OPENING = (
    rf"(?:<|&lt;|◁)\s*{_NAMES}(?:\s+[\w-]+=[^<>]*)?\s*(?:>|&gt;|▷)|"
    r"<[|｜]\s*(?:begin_of_thought|start_thinking|thinking)\s*[|｜]>|<unused94>(?:thought)?|"
    r"(?-i:\[THINK\])"
)
_CLOSING = (
    rf"(?:<|&lt;|◁)\s*/\s*{_NAMES}\s*(?:>|&gt;|▷)|"
    r"<[|｜]\s*(?:end_of_thought|end_thinking)\s*[|｜]>|<unused95>|(?-i:\[/THINK\])"
)
_THOUGHT = re.compile(
    rf"(?P<empty>(?:<|&lt;)\s*{_NAMES}\s*/\s*(?:>|&gt;))|(?P<opening>{_OPENING})"
    rf"|(?P<closing>{_CLOSING})",
    re.IGNORECASE,
)
_CUT_MARK = re.compile(rf"<\s*/?\s*{_NAMES}\s*$", re.IGNORECASE)  #: the answer ended within it
_THOUGHT_FENCE = re.compile(
    r"^(`{3,})[ \t]*(?:think(?:ing)?|thoughts?|reasoning)[ \t]*\n.*?(?:^\1[ \t]*$|\Z)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)

#: Harmony, as gpt-oss writes it: each stretch says for whom it is.
_CHANNEL = re.compile(r"<\|?\s*channel\s*\|?>\s*(?P<name>[a-z]+)(?P<header>[^<]*)", re.IGNORECASE)
_STRETCH = re.compile(
    r"(?P<to>to=\S+\s*)?<\|\s*channel\s*\|>\s*(?P<name>[a-z]+)(?P<header>.*?)<\|\s*message\s*\|>(?P<said>.*?)"
    r"(?=<\|\s*(?:end|start|channel|return|call)\s*\|>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BARE_MESSAGE = re.compile(r"<\|\s*message\s*\|>", re.IGNORECASE)
#: The same after a server has dropped the marks and kept the words between them.
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?=[^\W\d_a-z])")
_BARE_FINAL = re.compile(r"assistantfinal")
_BARE_CALL = re.compile(r"(?:\A\s*|assistant)commentary\s+to=")

_ANSWER = re.compile(
    r"<(answer|final_answer|final|response|output|solution)>(?P<said>.*?)(?:</\1>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_ANSWER_MARK = re.compile(
    r"</?(?:answer|final_answer|final|response|output|solution)>", re.IGNORECASE
)

_SPECIAL = r"[^\s<>|｜][^<>|｜\n]{0,60}"  #: the name between the bars
#: A turn's beginning with whose it is: the model's own is a heading, another's is made up.
_BEGINNING = re.compile(
    r"(?:<\|\s*im_start\s*\|>|<\|\s*start_header_id\s*\|>|<start_of_turn>|<\|\s*start\s*\|>|"
    r"<\|(?:turn|header_start)\|?>|<[|｜]\s*(?=(?:assistant|user|system|tool|observation)\s*[|｜]>))"
    r"\s*(?P<role>[a-z]*)[ \t]*(?:[|｜]>|<\|\s*end_header_id\s*\|>|<\|header_end\|>)?\n*",
    re.IGNORECASE,
)
_OWN_ROLES = frozenset({"", "assistant", "model", "bot"})
_END = re.compile(
    r"<\|\s*(?:im_end|eot_id|eom_id|end|eot|endoftext|end_of_text|return|call|end_of_turn_token|"
    r"end_of_turn|eos)\s*\|>|<\|\s*im_end\s*\|?>|<(?:end_of_turn|end_of_utterance|eos|turn\|)>|"
    r"<[|｜]\s*end▁of▁sentence\s*[|｜]>|\[/?INST\]|<</?SYS>>",
    re.IGNORECASE,
)
_END_OF_SENTENCE = re.compile(r"</s>")
_MARK = re.compile(
    rf"<[|｜]\s*{_SPECIAL}?\s*[|｜]>|</?s>|<(?:bos|eos|pad|unk|mask)>|</?start_of_turn>|"
    r"<end_of_turn>|\[(?:BOS|EOS)\]|<unused\d+>|</?s$"
)


def without_thoughts(text: str) -> str:
    """What is left of a text when its thoughts are taken out; other marks stay.

    A thought that was begun and not ended goes to the end of the text. Where an end has no
    beginning, the template had begun the thought, and it goes from the start of the text.
    """
    text = _channels(text)
    text = _THOUGHT_FENCE.sub("", text)
    kept: list[str] = []
    position, is_thinking, has_marks = 0, False, False
    for mark in _THOUGHT.finditer(text):
        has_marks = True
        if not is_thinking:
            kept.append(text[position : mark.start()])
        if mark["closing"]:
            if not is_thinking:
                kept.clear()
            is_thinking = False
        elif mark["opening"]:
            is_thinking = True
        position = mark.end()
    if not has_marks:
        return _CUT_MARK.sub("", text)
    if not is_thinking:
        kept.append(_CUT_MARK.sub("", text[position:]))
    return "".join(kept)


def final_text(text: str) -> str:
    """The answer in a text of the model; empty where there is none."""
    before = None
    while text != before:  # what is taken out may have stood within a mark
        before = text
        text = without_thoughts(text)
        answer = _ANSWER.search(text)
        if answer:
            text = _ANSWER_MARK.sub("", answer["said"])
        text = _MARK.sub("", _own_turn(text))
    return text


def _channels(text: str) -> str:
    """Of a text in Harmony's channels what is for the customer; a call in them stays one."""
    if _CHANNEL.search(text) or _BARE_MESSAGE.search(text):
        return _final_channel(text)
    call = _BARE_CALL.search(text)
    if call:
        return text[call.start() :]
    *before, last = _BARE_FINAL.split(text)
    return last if before or not _BARE_CHANNELS.search(text) else ""


def _final_channel(text: str) -> str:
    calls, final = [], []
    stretches = list(_STRETCH.finditer(text))
    for stretch in stretches:
        header = f"{stretch['to'] or ''}{stretch['header']}"
        if "to=" in header:
            calls.append(f"<tool_call>{header}{stretch['said']}</tool_call>")
        elif stretch["name"].lower() == "final":
            final.append(stretch["said"])
    if not stretches:
        # Either a stretch without its channel, or channels as Gemma has them: each thought ends
        # with a closing mark, and what follows the last is the answer.
        *_, last = re.split(r"<\|\s*message\s*\|>|<channel\|>", text)
        if _CHANNEL.search(last) and not re.search(r"<\|\s*channel\s*\|>\s*final", last):
            return ""
        return _CHANNEL.sub("", last)
    return "".join(calls) or "".join(final[-1:])


def _own_turn(text: str) -> str:
    """The first stretch that the model says in its own name; it may go on for the customer."""
    kept: list[str] = []
    position = 0
    for mark in sorted(
        [*_BEGINNING.finditer(text), *_END.finditer(text), *_ends_of_sentence(text)],
        key=lambda found: found.start(),
    ):
        if mark.start() < position:
            continue
        kept.append(text[position : mark.start()])
        is_own = mark.re is _BEGINNING and mark["role"].lower() in _OWN_ROLES
        position = mark.end()
        if "".join(kept).strip():
            return "".join(kept)
        if mark.re is _BEGINNING and not is_own:
            return ""
    return "".join([*kept, text[position:]])


def _ends_of_sentence(text: str) -> list[re.Match[str]]:
    """`</s>` ends a model's turn, unless it ends what `<s>` strikes through within a text."""
    if re.search(r"\S.*<s>", text, re.DOTALL):
        return []
    return list(_END_OF_SENTENCE.finditer(text))
