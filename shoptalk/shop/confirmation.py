"""Consent: whether a customer has agreed to buy, a guard against a model that orders on its own.

It reads the customer's own words of one turn, clause by clause: the last word counts. An *act* is
what a clause does: it agrees, asks, withdraws or gives data. What was agreed to, and for how much,
it does not understand. In doubt nobody has agreed, and we ask once more.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from shoptalk.shop.confirmation_words import (
    ARABIC_UNWILLING,
    ASKS_TO_CONFIRM,
    BARE_YES,
    BARGAIN,
    CHAT,
    CLAUSE,
    CONDITION,
    DECISION,
    LABEL,
    LIKE,
    NAME_PARTICLES,
    NEGATED,
    NEGATED_AFTER,
    NO_REFUSAL,
    NOD,
    NOT_GOODS,
    ORDERS,
    POLITE,
    PRICE_QUESTION,
    QUESTION,
    REFUSAL,
    REQUEST,
    STREET,
    WISH,
    WITHDRAWAL,
    YES,
    fold,
)

_THUMBS_UP = frozenset("👍👌✅🆗🤝💯✔")
_THUMBS_DOWN = frozenset("👎❌🚫")
# Tool markup and other people's lines are nobody's word.
_FORGED = re.compile(r"<(?!3)|[{}>\[\]=|\\]|^\s*(?:assistant|user|system|human)\s*:", re.MULTILINE)
_ARABIC_NAME = re.compile(r"[ء-غف-ي\s]+")  # without Persian and Urdu letters
_WORD = re.compile(r"[^\W_]+(?:/(?=\s))?")


class _Act(Enum):
    AGREES = auto()
    NODS = auto()  #: "ok": agrees, or has only heard it
    LIKES = auto()  #: "perfect": agrees when there is something to agree to
    ASKS_PRICE = auto()  #: or whether it is to be had: what the customer decides by
    ASKS = auto()
    WITHDRAWS = auto()
    GIVES_DATA = auto()
    MAY_BE_NAME = auto()  #: of a person or a place
    IS_POLITE = auto()
    OTHER = auto()


def has_agreed(customer_texts: Sequence[str], *, offered: bool) -> bool:
    """Whether the turn says, last of all, that the customer buys.

    Args:
        customer_texts: the turn's messages, oldest first.
        offered: our side had named the purchase's total before, so that a thumb up, or the
            name, address or phone that we asked for, goes along with it.
    """
    acts = [act for text in customer_texts for act in _acts(text)]
    asks = _Act.ASKS in acts or _Act.ASKS_PRICE in acts
    agreed: bool | None = None
    for act in acts:
        if act is _Act.AGREES:
            agreed = True
        elif act in (_Act.WITHDRAWS, _Act.ASKS_PRICE):
            agreed = False
        elif agreed is None and not asks and (act is _Act.NODS or (act is _Act.LIKES and offered)):
            agreed = True
    if agreed is not None:
        return agreed
    if not offered or asks or _Act.OTHER in acts:
        return False
    if any(char in _THUMBS_UP for text in customer_texts for char in text):
        return True
    if _Act.GIVES_DATA in acts:
        return True
    return _Act.MAY_BE_NAME in acts and any(map(_is_full_name, customer_texts))


def _acts(text: str) -> Iterator[_Act]:
    """What each clause of a message does."""
    if any(char in _THUMBS_DOWN for char in text):
        yield _Act.WITHDRAWS
        return
    folded = fold(text)
    if _FORGED.search(folded):
        yield _Act.OTHER
        return
    bargains = BARGAIN.search(folded) is not None
    clauses = list(_clauses(folded))
    for index, (clause, is_question) in enumerate(clauses):
        around = clauses[max(index - 1, 0) : index + 2]
        act = _act(clause, is_question)
        if act is _Act.AGREES and (bargains or any(CONDITION.search(near) for near, _ in around)):
            act = _Act.OTHER
        yield act


def _clauses(folded: str) -> Iterator[tuple[str, bool]]:
    """The words of each clause, and whether a question mark ends it."""
    start = 0
    for match in [*CLAUSE.finditer(folded), None]:
        clause = folded[start : match.start() if match else None]
        words = " ".join(_WORD.findall(clause))
        if words:
            yield words, match is not None and match.group(1) is not None
        start = match.end() if match else start


def _act(clause: str, is_question: bool) -> _Act:
    if POLITE.sub("", clause).strip() == "":
        return _Act.IS_POLITE
    said = re.sub(r"\s+", " ", clause)
    opening = _after_courtesies(said)
    no_refusal = NO_REFUSAL.search(said)
    if WITHDRAWAL.search(said) or ARABIC_UNWILLING.search(said):
        return _Act.WITHDRAWS
    if REFUSAL.match(opening) and not no_refusal:
        return _Act.WITHDRAWS
    if REQUEST.search(said) and not NOT_GOODS.search(said):
        return _Act.AGREES
    if PRICE_QUESTION.search(said) and (is_question or not _gives_data(clause)):
        return _Act.ASKS_PRICE
    if is_question or QUESTION.match(opening):
        return _Act.ASKS
    return _answer(said, opening) or _data(clause, no_refusal is not None)


def _after_courtesies(said: str) -> str:
    while (match := POLITE.match(said)) and match.end() < len(said):
        said = said[match.end() :].lstrip()
    return said


def _answer(said: str, opening: str) -> _Act | None:
    """A yes or a wish, or its contrary; None when the clause is neither."""
    for pattern in (DECISION, WISH):
        for match in pattern.finditer(said):
            if NEGATED.search(said[: match.start()]) or NEGATED_AFTER.search(said[match.end() :]):
                return _Act.WITHDRAWS
            about_goods = not NOT_GOODS.search(" ".join(said[match.end() :].split()[:4]))
            return _Act.AGREES if about_goods else _Act.OTHER
    if ORDERS.match(said):
        return _Act.AGREES
    if ASKS_TO_CONFIRM.search(said):
        return None
    if YES.match(opening) or (BARE_YES.match(said) and not BARE_YES.sub("", said).strip()):
        return _Act.AGREES
    if NOD.match(opening):
        return _Act.NODS
    if LIKE.match(opening) and not LIKE.sub("", POLITE.sub("", said)).strip():
        return _Act.LIKES
    return None


def _gives_data(clause: str) -> bool:
    label = LABEL.match(clause)
    digits = sum(char.isdecimal() for char in clause)
    return (label is not None and label.end() < len(clause)) or digits >= 6


def _data(clause: str, is_harmless: bool) -> _Act:
    if is_harmless:
        return _Act.IS_POLITE
    if _gives_data(clause) or clause.replace(" ", "").isdecimal():
        return _Act.GIVES_DATA
    if STREET.search(clause) and any(char.isdecimal() for char in clause):
        return _Act.GIVES_DATA
    if CHAT.search(clause):
        return _Act.OTHER
    if STREET.search(clause) and " " in clause:
        return _Act.GIVES_DATA
    return _Act.MAY_BE_NAME if len(clause.split()) <= 6 else _Act.OTHER


def _is_full_name(text: str) -> bool:
    """Two to five words and nothing else; where a script has capitals, with capitals."""
    words = re.split(r"[\s,،.]+", text.strip(" ,،."))
    if not 2 <= len(words) <= 5 or POLITE.search(fold(" ".join(words))):
        return False
    return bool(_ARABIC_NAME.fullmatch(" ".join(words))) or all(
        word.replace("-", "").replace("'", "").isalpha()
        and (word[0].isupper() or word in NAME_PARTICLES)
        for word in words
    )
