import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.competitors.compare import blocks_of, compare
from pipelines.competitors.noise import masked, volatile
from pipelines.competitors.outcome import Outcome, by_content, by_status
from pipelines.providers.web.reader import read_feed, read_page

PAGE = """<html><title>Ada Cleaning</title><nav>Home Prices</nav><main><h1>We clean offices</h1><p>Founded by Ada in a garage in Leeds, we
have cleaned offices for a living ever since, with our own staff.</p>{}</main><footer>© 2024 Ada</footer></html>"""
PLANS = "<h3>Basic</h3><p>{} a month</p><h3>Pro</h3><p>{} a month</p>"
FEED = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015"><title>Ada</title>{}</feed>"""
ENTRY = "<entry><yt:videoId>{0}</yt:videoId><title>{1}</title><published>2026-11-{2:02}T10:00:00+00:00</published></entry>"


def page(inside: str = "") -> dict:
    return read_page(PAGE.format(inside).encode(), "utf-8")


def feed(*videos: tuple[str, str, int]) -> dict:
    return read_feed(FEED.format("".join(ENTRY.format(*video) for video in videos)).encode())


def told(before: dict, after: dict, **given: object) -> list[tuple]:
    return [(each.change_type, each.field, each.before, each.after) for each in compare(before, after, **given)]


def test_a_price_is_followed_by_the_plan_it_is_of():
    assert told(page(PLANS.format("$19", "$49.00")), page(PLANS.format("$19.00", "€ 59"))) == [
        ("price_changed", "Pro", "49 USD per month", "59 EUR per month"),
    ]


def test_a_change_is_told_in_one_sentence_with_its_numbers():
    change = compare(page(PLANS.format("$20", "$49")), page(PLANS.format("$25", "$49")))[0]
    assert (change.summary, change.severity) == ("The price of Basic went from 20 USD per month to 25 USD per month.", "high")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ('<a href="tel:+44 113 1">x</a>', '<a href="tel:+44-113-496-0000">x</a>', "phone_changed"),
        ('<a href="mailto:a@ada.example">x</a>', '<a href="mailto:b@ada.example">x</a>', "email_changed"),
        ("<p>Mon-Fri 9:00 - 17:00</p>", "<p>Mon-Fri 9:00 - 18:00</p>", "hours_changed"),
        ("", "<p>20% off until Friday</p>", "offer_added"),
        (
            '<script type="application/ld+json">{"@type":"Product","name":"Mop","offers":{"price":"10","priceCurrency":"GBP"}}</script>',
            '<script type="application/ld+json">{"@type":"Product","name":"Mop","offers":{"price":10.5,"priceCurrency":"GBP"}}</script>',
            "price_changed",
        ),
    ],
)
def test_facts_that_changed_are_named(before: str, after: str, kind: str):
    assert kind in [each[0] for each in told(page(before), page(after))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>Last seen 3 minutes ago by Bela</p>", "<p>Last seen 2 hours ago by Bela</p>"),
        ("<p>Trusted by 1,204 customers today</p>", "<p>Trusted by 1,317 customers today</p>"),
        ("<p>Visitors today: 11. Page made at 12:00:11.</p>", "<p>Visitors today: 12. Page made at 12:00:12.</p>"),
        ("<p>This page was rendered at 2026-11-24 10:00:03</p>", "<p>This page was rendered at 2026-11-25 08:12:59</p>"),
        ("<p>Request 9f86d081884c7d659a2f</p>", "<p>Request 2c26b46b68ffc68ff99b</p>"),
        ("<p>It\u2019s \u201cgood\u201d work \u2013 all day</p>", '<p>It\'s "good" work - all day</p>'),
        ("<p>one thing here</p><p>another thing there</p>", "<p>another thing there</p><p>one thing here</p>"),
        ("<div>one thing here</div>", "<section><b>one</b> thing <i>here</i></section>"),
        ("<aside>Buy our book about cleaning now</aside>", "<aside>Read our blog about cleaning now</aside>"),
        ("<div id='cookie-bar'>We use 12 vendors for this and that</div>", "<div id='cookie-bar'>We use 14 vendors</div>"),
        ("<script>var nonce = 1</script>", "<script>var nonce = 2</script>"),
        ("<a href='/a?x=1'>Read about our work</a>", "<a href='/b?x=2'>Read about our work</a>"),
    ],
)
def test_noise_is_no_change(before: str, after: str):
    assert told(page(before), page(after)) == []


def test_a_text_that_was_reworded_is_one_change():
    before = page("<p>We answer every letter within thirty days of its arrival.</p>")
    after = page("<p>We answer every letter within fourteen days of its arrival.</p>")
    assert [each[0] for each in told(before, after)] == ["text_changed"]


def test_testimonials_that_rotate_are_learned_but_a_price_among_them_is_told():
    quotes = [page(f"<p>{name} says that they are the best cleaners in town</p>") for name in ("Bela", "Cleo", "Dora")]
    history = [quotes[0], quotes[1], quotes[0], quotes[1]]
    assert told(quotes[1], quotes[0], history=[quotes[0], *history[:-1]]) == []
    assert told(quotes[1], quotes[2], history=history) != []
    offer = page("<p>Bela says that they are the best cleaners in town</p><h3>Basic</h3><p>$19</p>")
    assert [each[0] for each in told(quotes[1], offer, history=history)] == ["price_added"]


@given(st.sampled_from(["$", "€", "USD "]), st.integers(1, 10**7), st.integers(0, 99), st.text("abc <>&|.,", max_size=30))
def test_no_mask_hides_a_price(sign: str, whole: int, cents: int, around: str):
    before = page(f"<p>{html.escape(around)} for {sign}{whole}.{cents:02} only</p>")
    after = page(f"<p>{html.escape(around)} for {sign}{whole + 1}.{cents:02} only</p>")
    assert "price_changed" in [each[0] for each in told(before, after)]


@given(st.text(max_size=80))
def test_masks_never_fail_and_once_is_enough(text: str):
    assert masked(masked(text)) == masked(masked(masked(text)))


@given(st.lists(st.sets(st.sampled_from("abcdef")), max_size=8))
def test_only_what_was_away_and_came_back_is_volatile(history: list[set[str]]):
    for block in volatile(history):
        shown = [block in reading for reading in history]
        first, last = shown.index(True), len(shown) - 1 - shown[::-1].index(True)
        assert not all(shown[first : last + 1])


@given(st.binary(max_size=400))
def test_whatever_the_bytes_are_a_page_is_read_or_refused(body: bytes):
    try:
        found = read_page(body)
    except ValueError:
        return
    assert blocks_of(found) is not None
    assert compare(found, found) == []


def test_a_page_of_nothing_but_depth_is_read():
    assert read_page(b"<div>" * 50_000 + b"x")["version"] == 1


LONG = page("<p>" + "We clean offices and homes all over the town with care. " * 30 + "</p>")


@pytest.mark.parametrize(
    ("inside", "outcome"),
    [
        ("<title>Just a moment...</title><p>Checking your browser before accessing</p>", Outcome.BLOCKED),
        ("<h1>Page not found</h1><p>Sorry about that</p>", Outcome.SOFT_404),
        ("<h1>This page isn't available</h1><p>An unexpected error has occurred.</p>", Outcome.SOFT_404),
        ("<p>Sorry, something went wrong on our side.</p>", Outcome.ERROR),
        ("<p>Before you continue: accept all cookies</p>", Outcome.CONSENT_WALL),
        ("<div id=root></div><script>boot()</script>", Outcome.EMPTY),
        ("<p>" + "We clean offices. " * 120 + "Our 404 page not found service</p>", Outcome.OK),
    ],
)
def test_what_only_looks_like_a_page_is_told_apart(inside: str, outcome: Outcome):
    assert by_content(read_page(inside.encode(), "utf-8"), [330, 331]) is outcome


def test_a_small_page_that_always_was_small_is_a_page():
    assert by_content(page("<p>Call us any time.</p>"), [28, 28]) is Outcome.OK


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, None), (404, Outcome.GONE), (403, Outcome.BLOCKED), (500, Outcome.ERROR)]
)
def test_what_a_status_says(status: int, outcome: Outcome | None):
    assert by_status(status) is outcome


def test_a_new_video_is_told_and_one_that_slid_off_the_end_is_not():
    old = feed(("b", "Two", 2), ("a", "One", 1))
    assert told(old, feed(("c", "Three", 3), ("b", "Two", 2))) == [("video_new", "c", None, "Three")]


def test_a_video_that_was_taken_away_is_told_and_the_one_that_slid_in_is_not():
    old = feed(("c", "Three", 3), ("b", "Two", 2))
    assert told(old, feed(("c", "Three", 3), ("a", "One", 1))) == [("video_gone", "b", "Two", None)]


def test_a_renamed_video_is_told():
    assert told(feed(("a", "One", 1)), feed(("a", "Uno", 1))) == [("video_renamed", "a", "One", "Uno")]


def test_a_feed_that_names_files_of_the_machine_reads_none():
    bomb = b'<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + FEED.format(ENTRY.format("a", "&x;", 1)).encode()
    assert "root:" not in str(read_feed(bomb))
