"""The lists hold what the sources say."""

from datetime import date

import pycountry
import pytest

from shared import codes
from shared.codes.lists import day_swaps

LISTS = [
    codes.provinces,
    codes.old_provinces,
    codes.identity_prefixes,
    codes.identity_warnings,
    codes.countries,
    codes.sexes,
    codes.languages,
    codes.article_7,
    codes.complaint_types,
    codes.forced_labour_indicators,
    codes.offices,
    day_swaps,
]


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.name)
def test_every_row_has_both_names(listed: codes.CodeList[codes.Code]) -> None:
    assert listed.all()
    assert all(row.vi.strip() == row.vi and row.en.strip() == row.en and row.vi and row.en for row in listed.all())


def test_there_are_34_provinces_since_july_2025_and_none_before() -> None:
    assert len(codes.provinces.all(on=date(2025, 7, 1))) == 34
    assert codes.provinces.all(on=date(2025, 6, 30)) == ()


def test_dong_nai_became_a_city_on_30_april_2026() -> None:
    cities = [len([one for one in codes.provinces.all(on=day) if one.kind == "city"]) for day in DAYS_AROUND]

    assert cities == [6, 7]


DAYS_AROUND = (date(2026, 4, 29), date(2026, 4, 30))


def test_63_old_provinces_went_into_the_34() -> None:
    absorbed = [old.absorbed_into for old in codes.old_provinces.all()]

    assert len(absorbed) == 63
    assert set(absorbed) == {province.code for province in codes.provinces.all()}
    assert codes.old_provinces.all(on=date(2025, 7, 1)) == ()
    assert len([code for code in set(absorbed) if absorbed.count(code) == 1]) == 11


@pytest.mark.parametrize(
    ("code", "then", "now"),
    [("80", "Long An", "Tây Ninh"), ("91", "Kiên Giang", "An Giang"), ("24", "Bắc Giang", "Bắc Ninh")],
)
def test_a_reused_number_names_another_place_in_each_edition(code: str, then: str, now: str) -> None:
    assert codes.old_provinces.get(code).vi == then  # type: ignore[union-attr]
    assert codes.provinces.get(code).vi == now  # type: ignore[union-attr]
    assert codes.identity_prefixes.get("0" + code).vi == then  # type: ignore[union-attr]


def test_identity_prefixes_have_three_digits_and_are_no_province_codes() -> None:
    prefixes = {prefix.code for prefix in codes.identity_prefixes.all()}

    assert len(prefixes) == 63
    assert all(len(prefix) == 3 for prefix in prefixes)
    assert not any(prefix in codes.provinces for prefix in prefixes)


def test_facts_that_were_remembered_rather_than_read_are_unconfirmed() -> None:
    assert codes.identity_prefixes.get("034").confirmed  # type: ignore[union-attr]
    assert not codes.identity_prefixes.get("035").confirmed  # type: ignore[union-attr]
    assert not codes.provinces.get("75").confirmed  # type: ignore[union-attr]
    assert not codes.languages.get("tyz").confirmed  # type: ignore[union-attr]


def test_countries_are_those_of_the_standard_with_our_names_for_destinations() -> None:
    taiwan = codes.countries.get("TW")

    assert len(codes.countries) == len(pycountry.countries)
    assert taiwan is not None
    assert (taiwan.vi, taiwan.alpha_3, taiwan.numeric) == ("Đài Loan (Trung Quốc)", "TWN", "158")
    assert "Chinese Taipei" in (taiwan.note or "")
    assert codes.countries.get("JP").vi == "Nhật Bản"  # type: ignore[union-attr]
    assert not codes.countries.get("FJ").confirmed  # type: ignore[union-attr]


def test_every_language_is_one_of_iso_639() -> None:
    for language in codes.languages.all():
        known = {"alpha_2": language.code} if len(language.code) == 2 else {"alpha_3": language.code}
        assert pycountry.languages.get(**known) is not None


def test_article_7_has_17_clauses_of_which_nine_cost_the_licence() -> None:
    grounds = [clause.code for clause in codes.article_7.all() if clause.revocation_ground]

    assert len(codes.article_7.all()) == 17
    assert grounds == ["7.1", "7.2", "7.5", "7.6", "7.7", "7.8", "7.11", "7.12", "7.13"]


def test_complaint_types_point_only_at_clauses_that_exist() -> None:
    pointed = {one.article_7 for one in codes.complaint_types.all() if one.article_7}

    assert len(codes.complaint_types.all()) == 19
    assert all(clause in codes.article_7 for clause in pointed)


@pytest.mark.parametrize(
    ("code", "ground"),
    [
        ("broker_fee", True),
        ("false_information", True),
        ("illegal_fee", False),
        ("document_retention", False),
        ("discrimination", False),
        ("unpaid_wages", False),
        ("no such type", False),
    ],
)
def test_a_complaint_type_shows_whether_it_points_to_a_revocation_ground(code: str, ground: bool) -> None:
    assert codes.revocation_ground(code) is ground


def test_there_are_eleven_indicators_of_forced_labour() -> None:
    assert len(codes.forced_labour_indicators.all()) == 11
    assert "retention_of_identity_documents" in codes.forced_labour_indicators


def test_offices_stand_in_present_provinces() -> None:
    places = {office.code: (office.kind, office.province) for office in codes.offices.all()}

    assert places == {
        "osso-ha-noi": ("osso", "01"),
        "osso-can-tho": ("osso", "92"),
        "osso-hai-phong": ("osso", "31"),
        "osso-hau-giang": ("osso", "92"),
        "osso-hai-duong": ("osso", "31"),
        "mrc-nghe-an": ("mrc", "40"),
        "mrc-phu-tho": ("mrc", "25"),
        "mrc-quang-ngai": ("mrc", "51"),
    }
    assert all(province in codes.provinces for _, province in places.values())
