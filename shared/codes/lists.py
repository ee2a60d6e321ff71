"""The lists themselves: what each row carries beyond its names, and the lists as loaded."""

from dataclasses import dataclass
from datetime import date

import pycountry

from shared.codes.tables import Code, CodeList, load, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Province(Code):
    """One of the 34 provinces since 1 July 2025; `kind` is "city" (centrally run) or "province"."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OldProvince(Code):
    """One of the 63 provinces until 30 June 2025, and the present one that holds its territory."""

    absorbed_into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPrefix(Code):
    """The first three digits of an identity number, where the birth was registered: never joined to a province."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Country(Code):
    """A country or territory of ISO 3166-1; `vi` falls back on the English name where we have no Vietnamese one."""

    alpha_3: str
    numeric: str
    note: str | None = None
    """How sources name it otherwise, where that differs from the name we show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language(Code):
    """A language by its shortest ISO 639 code, and by what its own speakers call it."""

    own: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article7Clause(Code):
    """A prohibited act of Law 69/2020/QH14 Article 7; a revocation ground stands in Article 16.2d."""

    revocation_ground: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintType(Code):
    """What people complain of in practice, and the prohibited act it normally points to, if any."""

    article_7: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Office(Code):
    """A place that takes complaints; `kind` is "osso" or "mrc", `province` one of the 34."""

    kind: str
    province: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySwap(Code):
    """A day off, named by its ISO date in `code`, that is worked on another day, usually a Saturday."""

    made_up_on: date
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryName(Code):
    """The name we show for one country, where the standard's is not the one people use."""

    note: str | None = None


def _all_countries() -> CodeList[Country]:
    ours = load("country_names", CountryName)
    rows = []
    for standard in sorted(pycountry.countries, key=lambda country: country.alpha_2):
        name = getattr(standard, "common_name", standard.name)
        own = ours.get(standard.alpha_2) or CountryName(code=standard.alpha_2, vi=name, en=name, confirmed=False)
        rows.append(
            Country(
                code=own.code,
                vi=own.vi,
                en=own.en,
                confirmed=own.confirmed,
                alpha_3=standard.alpha_3,
                numeric=standard.numeric,
                note=own.note,
            )
        )
    return CodeList(version("countries"), rows)


provinces = load("provinces", Province)
old_provinces = load("old_provinces", OldProvince)
identity_prefixes = load("identity_prefixes", IdentityPrefix)
identity_warnings = load("identity_warnings", Code)
countries = _all_countries()
sexes = load("sexes", Code)
languages = load("languages", Language)
article_7 = load("article_7", Article7Clause)
complaint_types = load("complaint_types", ComplaintType)
forced_labour_indicators = load("forced_labour_indicators", Code)
offices = load("offices", Office)
day_swaps = load("day_swaps", DaySwap)


def revocation_ground(complaint_type: str) -> bool:
    """Whether the act this type normally points to would cost an agency its licence; False for an unknown type."""
    named = complaint_types.get(complaint_type)
    clause = article_7.get(named.article_7) if named and named.article_7 else None
    return clause is not None and clause.revocation_ground
