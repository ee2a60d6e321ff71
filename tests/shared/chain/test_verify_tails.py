"""A tail that was cut off or written anew shows by what the other services have heard of it."""

import secrets

from sqlalchemy import text

from shared.chain.verify import Break, Harm, verify
from shared.runtime import Runtime
from tests.harness import House
from tests.shared.chain.trail import ROWS, found, noted, owner_of, ring_of, seal_all, tamper


def test_a_cut_tail_is_found_by_what_a_witness_has_heard(house: House, hotline: Runtime) -> None:
    tamper(house, "DELETE FROM audit WHERE id > 9", "DELETE FROM audit_seal WHERE n > 9")

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (9, Break(10, None, Harm.CUT, f"intake up to row {ROWS}"))


def test_a_chain_that_is_gone_altogether_is_found(house: House, hotline: Runtime) -> None:
    tamper(house, "TRUNCATE audit, audit_seal")

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (0, Break(1, None, Harm.CUT, f"intake up to row {ROWS}"))


def test_a_cut_tail_is_found_even_after_the_sealer_has_gone_on(house: House, hotline: Runtime) -> None:
    tamper(house, "DELETE FROM audit WHERE id > 9", "DELETE FROM audit_seal WHERE n > 9")
    noted(hotline, 5)
    seal_all(hotline)

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (ROWS - 1, Break(ROWS, ROWS + 3, Harm.REWRITTEN, "intake"))


def test_rows_that_a_restore_has_cost_are_not_held_against_the_chain_and_a_later_cut_is(
    house: House, hotline: Runtime
) -> None:
    tamper(house, "DELETE FROM audit WHERE id > 9", "DELETE FROM audit_seal WHERE n > 9")
    noted(hotline, 10)
    seal_all(hotline)
    house.carry("intake")
    witnesses, lost = {"intake": house.runtime("intake").engine}, [range(10, ROWS + 1)]

    after_the_restore = verify("hotline", ring_of(hotline), hotline.engine, witnesses, lost)
    tamper(house, "DELETE FROM audit WHERE id > 15", "DELETE FROM audit_seal WHERE n > 12")
    after_a_cut = verify("hotline", ring_of(hotline), hotline.engine, witnesses, lost)

    assert (after_the_restore.whole, after_the_restore.broken) == (19, None)
    assert after_a_cut.broken == Break(13, None, Harm.CUT, "intake up to row 19")


def test_a_tail_that_was_written_anew_by_someone_without_the_key_is_found(house: House, hotline: Runtime) -> None:
    tamper(house, "DELETE FROM audit_seal WHERE n > 9", "UPDATE audit SET actor = 'nobody' WHERE id > 9")
    with owner_of(house, "hotline") as behind:
        for n in range(10, ROWS + 1):
            behind.execute(
                text("INSERT INTO audit_seal (n, audit_id, key_id, mac) VALUES (:n, :n, 'k1', :mac)"),
                {"n": n, "mac": secrets.token_bytes(32)},
            )

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (9, Break(10, 10, Harm.EDITED))
