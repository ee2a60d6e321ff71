"""Whatever a foreign writer sends has its effect or is kept once; found by searching, not by thinking of cases."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from shared.bus import Record
from shared.ids import new_id
from shared.inbox import Inbox
from tests.shared.boxes import exhaust, inbox_of, letters
from tests.shared.faults.world import (
    Counted,
    World,
    count,
    counted_by,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
"""NUL and lone surrogates among it: a foreign writer sends what it likes."""
ANY_RECORD = st.builds(
    Record,
    topic=st.just("intake.events"),
    key=st.none() | ANY_TEXT,
    headers=st.lists(
        st.tuples(st.sampled_from(["ce_id", "ce_type"]) | ANY_TEXT, st.none() | st.binary(max_size=20)), max_size=4
    ).map(tuple),
    value=st.none() | st.binary(max_size=40),
)


def test_whatever_a_foreign_writer_sends_is_kept_once(world: World) -> None:
    @settings(max_examples=40, deadline=None)
    @given(ANY_RECORD)
    def bring(record: Record) -> None:
        before = len(letters(world))
        box = inbox_of(world)

        box.accept(record, 0)
        kept = len(letters(world))
        box.accept(record, 0)

        assert kept in {before, before + 1}
        assert len(letters(world)) == kept

    bring()
    assert letters(world)


ODD = st.sampled_from(["ce_correlationid", "ce_causationid", "ce_traceparent", "ce_sequence", "ce_id"])
ODDITIES = st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | st.integers(0).map(lambda n: b"%019d" % n)


def test_an_event_with_an_odd_header_has_its_effect_or_is_kept_and_is_never_tried_in_vain(world: World) -> None:
    def count_on(session: Session, event: Counted) -> None:
        count(session, event.counter_id)

    @settings(max_examples=60, deadline=None)
    @given(ODD, ODDITIES)
    @example("ce_correlationid", b"a\x00b")
    @example("ce_causationid", b"a\x00b")
    @example("ce_correlationid", b"a" * 5000)
    @example("ce_sequence", b"9" * 19)
    def bring(name: str, value: bytes) -> None:
        [counter] = world.counters(1)
        sound = world.record(counter, 2, event_id=new_id())
        headers = tuple(pair for pair in sound.headers if pair[0] != name)
        odd = Record(sound.topic, sound.key, (*headers, (name, value)), sound.value)

        box = Inbox(world.producer, {counted_by(world.service): count_on}, world.known)

        assert exhaust(box, odd) == []

    bring()
