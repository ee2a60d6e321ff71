"""Published figures: counts that expose no one."""

from datetime import date
from typing import Annotated

from fastapi import Query

from services.intake import access, rules
from services.intake.access import CanReadFigures
from services.intake.models import CaseStatus
from services.intake.schemas.cases import EARLIEST, LATEST, TextRead
from services.intake.schemas.figures import Figures
from shared import codes
from shared.clock import today
from shared.edge import SessionDep, router

UNIT = "case"
DEFINITION = TextRead(
    vi="Hồ sơ văn phòng nhận trong năm dương lịch, theo trạng thái hiện tại và theo từng loại khiếu nại; "
    "một hồ sơ có nhiều loại được đếm ở mỗi loại; hồ sơ của người đã xóa dữ liệu vẫn được đếm.",
    en="Cases received by offices in the calendar year, by present status and by complaint type; "
    "a case with several types counts once in each; cases of people who were erased still count.",
)
NOTE = TextRead(
    vi="Ô từ 1 đến 4 không công bố (null); nếu chỉ có một ô như vậy thì ô nhỏ nhất còn lại cũng không công bố.",
    en="Cells of 1 to 4 are withheld (null); where there is only one, the smallest of the others is withheld as well.",
)

api = router("/intake/v1")


@api.get("/figures")
def read_figures(
    analyst: CanReadFigures,
    session: SessionDep,
    year: Annotated[int | None, Query(ge=EARLIEST.year, le=LATEST.year)] = None,
) -> Figures:
    """Count the cases of a calendar year, this year's by default: whole years, so that no two periods differ by one person."""
    counted = year or today().year
    first, last = date(counted, 1, 1), date(counted, 12, 31)
    statuses: dict[str, int] = dict.fromkeys(CaseStatus, 0)
    statuses.update(session.exec(access.status_counts(analyst, first, last)).all())
    types = {row.code: 0 for row in codes.complaint_types.all()}
    types.update(session.exec(access.complaint_counts(analyst, first, last)).all())
    return Figures(
        unit=UNIT,
        definition=DEFINITION,
        first_on=first,
        last_on=last,
        by_status=rules.suppress(statuses),
        by_complaint_type=rules.suppress(types),
        note=NOTE,
    )
