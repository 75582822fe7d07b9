import json

import pytest
import responses

from shoptalk.errors import ChannelStopped, DeliveryUncertain, UsageError
from shoptalk.platforms.base import Recipient
from shoptalk.platforms.meta.whatsapp import WhatsApp
from shoptalk.platforms.testing import Call, PlatformContract, Vendor

from . import samples
from .samples import FACEBOOK

NUMBER_ID = "999999999999999"
MESSAGES = f"{FACEBOOK}/{NUMBER_ID}/messages"
PHONE_NUMBER = samples.data("meta_restfb", "whatsapp", "phone-number-default-response.json")
SENT = samples.data("meta_restfb", "whatsapp", "message-response.json")
PHONE = "+96170000000"


def whatsapp(external_id: str = NUMBER_ID) -> WhatsApp:
    return WhatsApp(samples.account(external_id), samples.surroundings())


class TestContract(PlatformContract):
    vendor = Vendor(
        name="whatsapp",
        recipient=Recipient(thread_id=f"whatsapp_{PHONE}", customer_id=PHONE),
        sent_id="wamid.foobar",
        secrets=(samples.TOKEN, samples.APP_SECRET),
        throttled=samples.graph_error(130429),
        dead_token=samples.graph_error(190),
        routes={
            Call.IDENTIFY: ("GET", f"{FACEBOOK}/{NUMBER_ID}"),
            Call.CREDENTIALS: ("GET", samples.DEBUG_TOKEN),
            Call.SEND: ("POST", MESSAGES),
        },
        good={
            Call.IDENTIFY: {"json": PHONE_NUMBER},
            Call.CREDENTIALS: samples.token_facts(),
            Call.SEND: {"json": SENT},
        },
    )

    def make(self) -> WhatsApp:
        return whatsapp()


@responses.activate
def test_the_number_is_shown_under_its_verified_name() -> None:
    responses.get(f"{FACEBOOK}/{NUMBER_ID}", json=PHONE_NUMBER)
    assert whatsapp().identify().display_name == "Business Phone Numbers Name"


@responses.activate
def test_another_number_than_the_one_given_stops_the_channel() -> None:
    responses.get(f"{FACEBOOK}/1", json=PHONE_NUMBER)
    with pytest.raises(ChannelStopped) as caught:
        whatsapp("1").identify()
    assert NUMBER_ID in caught.value.remedy


def test_polling_is_refused_with_the_way_messages_get_in() -> None:
    with pytest.raises(UsageError, match="shoptalk import --file"):
        whatsapp().fetch_page(cursor=None, limit=25, since=None)


@pytest.mark.parametrize("customer_id", [PHONE, ""])
@responses.activate
def test_text_goes_to_the_phone_without_a_preview(customer_id: str) -> None:
    responses.post(MESSAGES, json=SENT)
    recipient = Recipient(thread_id=f"whatsapp_{PHONE}", customer_id=customer_id)
    assert whatsapp().send(recipient, "https://shop.example") == "wamid.foobar"
    assert json.loads(responses.calls[0].request.body or "") == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "type": "text",
        "text": {"preview_url": False, "body": "https://shop.example"},
    }


@pytest.mark.parametrize("messages", [None, [], "wamid.1", [None], [{"status": "accepted"}]])
@responses.activate
def test_an_accepted_send_without_an_id_is_uncertain(messages: object) -> None:
    responses.post(MESSAGES, json={"messaging_product": "whatsapp", "messages": messages})
    with pytest.raises(DeliveryUncertain):
        whatsapp().send(TestContract.vendor.recipient, "Yes")
