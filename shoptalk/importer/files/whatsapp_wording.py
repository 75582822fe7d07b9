"""What WhatsApp itself writes into an exported chat, language by language.

In place of a picture stands "image omitted", in place of a deleted message a sentence. On the
iPhone such words follow a left-to-right or right-to-left mark, which a customer who types the same
words does not produce; Android gives no such help. Words in a language that is not listed here stay
the text of their message: nothing is lost, it is only not told apart.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from shoptalk.importer.files.whatsapp_formats import MARKS, without_marks
from shoptalk.types import ContentType


class LineKind(StrEnum):
    TEXT = "text"
    MEDIA = "media"
    DELETED = "deleted"
    LOCATION = "location"
    CONTACT = "contact"
    UNSHOWN = "unshown"  #: sent, but the export does not say what
    SYSTEM = "system"  #: WhatsApp's own notice, nobody's message


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A message's text with WhatsApp's own words taken out, and what they said."""

    kind: LineKind = LineKind.TEXT
    text: str
    media: ContentType | None = None  #: None: not media, or of unknown kind
    filename: str | None = None
    is_edited: bool = False
    language: str | None = None  #: of WhatsApp's words; None: there were none


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One language. Every phrase is a regular expression."""

    language: str
    edited: str
    deleted: str
    attached_after: str  #: Android, after the file's name
    attached_before: str  #: iPhone, before the file's name
    media_omitted: str  #: Android, which does not say what it was
    omitted: Mapping[ContentType, str]  #: iPhone
    location: str
    encrypted: str  #: how the notice about encryption begins
    notices: str  #: how other notices begin


WORDINGS: Sequence[Wording] = (
    Wording(
        language="en",
        edited="This message was edited",
        deleted="This message was deleted|You deleted this message",
        attached_after="file attached",
        attached_before="attached",
        media_omitted="Media omitted",
        omitted={
            ContentType.IMAGE: "image omitted|GIF omitted",
            ContentType.VIDEO: "video omitted|video note omitted",
            ContentType.AUDIO: "audio omitted",
            ContentType.STICKER: "sticker omitted",
            ContentType.FILE: "document omitted",
            ContentType.CONTACT: "Contact card omitted",
        },
        location="[Ll]ocation",
        encrypted=(
            "Messages and calls are end-to-end encrypted|"
            "Messages to this chat and calls are now secured|"
            "Messages you send to this chat and calls are now secured"
        ),
        notices=(
            "Your security code with |This chat is with a business account|"
            "This business (?:is|uses|works) |You turned (?:on|off) disappearing messages|"
            "You (?:un)?blocked this |Missed (?:voice|video) call|(?:Voice|Video) call, "
        ),
    ),
    Wording(
        language="ar",
        edited="تم تعديل هذه الرسالة",
        deleted="تم حذف هذه الرسالة|(?:لقد )?حذفت هذه الرسالة",
        attached_after="الملف مرفق|ملف مرفق",
        attached_before="المرفق|مرفق",
        media_omitted="تم استبعاد الوسائط",
        omitted={
            ContentType.IMAGE: "لم يتم إدراج (?:الصورة|ملف GIF)",
            ContentType.VIDEO: "لم يتم إدراج (?:الفيديو|مقطع الفيديو|مقاطع الفيديو)",
            ContentType.AUDIO: "لم يتم إدراج (?:المقاطع الصوتية|المقطع الصوتي)",
            ContentType.STICKER: "لم يتم إدراج الملصق",
            ContentType.FILE: "لم يتم إدراج المستند",
            ContentType.CONTACT: "لم يتم إدراج بطاقة جهة اتصال",
        },
        location="الموقع",
        encrypted="الرسائل والمكالمات مشفرة",
        notices="مكالمة (?:صوتية|فيديو) فائتة|لقد حظرت",
    ),
    Wording(
        language="de",
        edited=r"Diese Nachricht wurde bearbeitet\.?",
        deleted="Diese Nachricht wurde gelöscht|Du hast diese Nachricht gelöscht",
        attached_after="Datei angehängt",
        attached_before="Anhang",
        media_omitted="Medien ausgeschlossen|Medien weggelassen",
        omitted={
            ContentType.IMAGE: "(?:Bild|GIF) weggelassen",
            ContentType.VIDEO: "(?:Video|Videonachricht) weggelassen",
            ContentType.AUDIO: "Audio weggelassen",
            ContentType.STICKER: "Sticker weggelassen",
            ContentType.FILE: "Dokument weggelassen",
            ContentType.CONTACT: "Kontaktkarte (?:ausgelassen|weggelassen)",
        },
        location="Standort",
        encrypted=(
            "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt|"
            "Nachrichten in diesem Chat sowie Anrufe sind"
        ),
        notices="Verpasster (?:Sprach|Video)anruf|Deine Sicherheitsnummer für ",
    ),
    Wording(
        language="fr",
        edited="Ce message a été modifié",
        deleted="Ce message a été supprimé|Vous avez supprimé ce message",
        attached_after="fichier joint",
        attached_before="pièce jointe",
        media_omitted="Médias omis",
        omitted={
            ContentType.IMAGE: "(?:image|GIF) (?:absente?|omise?|retirée?)",
            ContentType.VIDEO: "vidéo (?:absente|omise)",
            ContentType.AUDIO: "audio (?:omis|absent)",
            ContentType.STICKER: "sticker (?:omis|absent)",
            ContentType.FILE: "document (?:omis|absent|manquant)",
            ContentType.CONTACT: "Fiche contact (?:manquante|omise)",
        },
        location="Localisation|Emplacement",
        encrypted=(
            "Les messages et (?:les )?appels sont chiffrés|"
            "Les messages envoyés dans cette discussion et les appels sont"
        ),
        notices="Appel (?:vocal|vidéo) manqué",
    ),
)

_UNSHOWN = re.compile(
    r"Waiting for this message\. This may take a while\.|"
    r"You received a view once .*|This message can.t be displayed here\..*"
)
_MAP_LINK = r"https?://(?:maps\.google\.com|www\.google\.com/maps)/\S*"

_KIND_BY_SUFFIX = {
    **dict.fromkeys(("jpg", "jpeg", "png", "gif", "heic", "bmp"), ContentType.IMAGE),
    **dict.fromkeys(("mp4", "mov", "3gp", "avi", "mkv"), ContentType.VIDEO),
    **dict.fromkeys(("opus", "ogg", "m4a", "mp3", "aac", "amr", "wav"), ContentType.AUDIO),
    "webp": ContentType.STICKER,
    "vcf": ContentType.CONTACT,
}


def kind_of_file(filename: str) -> ContentType:
    suffix = PurePosixPath(filename).suffix.removeprefix(".").lower()
    return _KIND_BY_SUFFIX.get(suffix, ContentType.FILE)


@dataclass(frozen=True, slots=True)
class _Compiled:
    language: str
    edited: re.Pattern[str]
    phrases: Mapping[str, re.Pattern[str]]  #: by what they say; each fits a whole message
    encrypted: re.Pattern[str]
    notices: re.Pattern[str]


def _compile(wording: Wording) -> _Compiled:
    m = f"[{MARKS}]*+"
    below = r"(?:\n(?P<below>.*))?"
    phrases = {
        "deleted": rf"(?:{wording.deleted})\.?{m}",
        "location": rf"(?:{wording.location})\s?:\s(?P<link>{_MAP_LINK}.*)",
        "attached_after": rf"(?P<filename>[^\n]+?) \((?:{wording.attached_after})\){m}{below}",
        "attached_before": (
            rf"<(?:{wording.attached_before})\s?:\s(?P<filename>[^\n>]+)>{m}{below}"
        ),
        "media_omitted": rf"<(?:{wording.media_omitted})>{m}{below}",
    }
    for kind, phrase in wording.omitted.items():
        phrases[kind] = rf"(?:{phrase}){m}{below}"
    return _Compiled(
        language=wording.language,
        edited=re.compile(wording.edited),
        phrases={name: re.compile(phrase, re.DOTALL) for name, phrase in phrases.items()},
        encrypted=re.compile(wording.encrypted),
        notices=re.compile(f"{wording.encrypted}|{wording.notices}"),
    )


_COMMON = ("deleted", "location", "media_omitted")
_ANDROID = (*_COMMON, "attached_after")
_IPHONE = (*_COMMON, "attached_before", *WORDINGS[0].omitted)

_COMPILED = [_compile(wording) for wording in WORDINGS]
_MARK_RUN = re.compile(f"[{MARKS}]++")
_MOST_RUNS = 4  #: runs of marks looked at from either end of a message


class NoticeReader:
    """Finds WhatsApp's own words in the messages of one export.

    Args:
        is_iphone: whose words to look for.
        needs_mark: only what follows a mark is WhatsApp's own.
    """

    def __init__(self, *, is_iphone: bool, needs_mark: bool) -> None:
        self._phrases = _IPHONE if is_iphone else _ANDROID
        self._needs_mark = needs_mark

    def describe(self, text: str) -> Described:
        """Take WhatsApp's own words out of a message's text and say what they meant."""
        text, edited_in = self._without_edited(text)
        described = self._describe_whole(text)
        if edited_in is None:
            return described
        return replace(described, is_edited=True, language=described.language or edited_in)

    def notice_language(self, text: str) -> str | None:
        """The language of the notice that `text` is; None where it is none.

        Where no mark tells it from a message, only the long sentence about encryption is taken for
        a notice: to lose a message would be worse than to keep a notice.
        """
        is_marked = _MARK_RUN.match(text) is not None
        if self._needs_mark and not is_marked:
            return None
        plain = without_marks(text)
        for each in _COMPILED:
            if (each.notices if is_marked else each.encrypted).match(plain):
                return each.language
        return None

    def _without_edited(self, text: str) -> tuple[str, str | None]:
        """Cut the marker of an edited message off; say in which language it was."""
        head, bracket, tail = text.rpartition("<")
        phrase = without_marks(tail)
        if not bracket or not phrase.endswith(">"):
            return text, None
        before = head.rstrip(MARKS)
        if self._needs_mark and before == head:
            return text, None
        for each in _COMPILED:
            if each.edited.fullmatch(phrase[:-1]):
                return before.removesuffix(" "), each.language
        return text, None

    def _describe_whole(self, text: str) -> Described:
        for caption, words in self._splits(text):
            for each in _COMPILED:
                for name in self._phrases:
                    match = each.phrases[name].fullmatch(words)
                    if match and (found := _said(name, caption, match.groupdict())):
                        return replace(found, language=each.language)
        plain = without_marks(text).strip()
        if not plain or _UNSHOWN.fullmatch(plain):
            return Described(kind=LineKind.UNSHOWN, text="")
        return Described(text=text.lstrip("\u200e\u200f"))

    def _splits(self, text: str) -> Iterator[tuple[str, str]]:
        """Where WhatsApp's words may begin: what stands before them, and they."""
        if not self._needs_mark:
            yield "", text.lstrip(MARKS)
            return
        runs = list(_MARK_RUN.finditer(text))
        if len(runs) > 2 * _MOST_RUNS:
            runs = runs[:_MOST_RUNS] + runs[-_MOST_RUNS:]
        for run in runs:
            yield without_marks(text[: run.start()]).strip(), text[run.end() :]


def _said(name: str, caption: str, groups: Mapping[str, str | None]) -> Described | None:
    """What a phrase says; None where a phrase that stands alone has something before it."""
    if name in ("deleted", "location"):
        if caption:
            return None
        if name == "deleted":
            return Described(kind=LineKind.DELETED, text="")
        return Described(kind=LineKind.LOCATION, text=without_marks(groups["link"] or "").strip())
    filename, below = groups.get("filename"), groups["below"] or ""
    kind: ContentType | None = None
    if filename is not None:
        filename = without_marks(filename).strip()
        kind = kind_of_file(filename)
    elif name != "media_omitted":
        kind = ContentType(name)
        if kind is ContentType.FILE and caption:  # "invoice.pdf • 3 pages document omitted"
            filename, caption = caption.partition(" • ")[0], ""
    is_contact = kind is ContentType.CONTACT
    return Described(
        kind=LineKind.CONTACT if is_contact else LineKind.MEDIA,
        text="\n".join(part for part in (caption, below) if part),
        media=None if is_contact else kind,
        filename=filename,
    )
