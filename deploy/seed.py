"""The small directory that a new house begins with: three partners with services and beds, and one licensed agency."""

from collections.abc import Mapping
from datetime import date

from sqlmodel import select

from deploy.identity.demo import COUNSELLING_ORG, DEMO_AGENCY, LEGAL_AID_ORG, SHELTER_ORG
from services.referral.models import Capacity, Organization, Service
from services.referral.runtime import runtime as open_referral
from services.referral.settings import Settings as ReferralSettings
from services.registry.models import Agency, LicenceEvent, LicenceStatus
from services.registry.runtime import runtime as open_registry
from services.registry.settings import Settings as RegistrySettings
from shared.clock import now
from shared.contracts.referral import OrganizationListed, Population, ServiceType
from shared.outbox import publish
from shared.runtime import Act, Runtime

ORGANIZATIONS = (
    (LEGAL_AID_ORG, "Trung tâm trợ giúp pháp lý (mẫu)", "Tư vấn và đại diện pháp lý", ServiceType.LEGAL_AID),
    (SHELTER_ORG, "Nhà tạm lánh Ánh Dương (mẫu)", "Nhà tạm lánh", ServiceType.SHELTER),
    (COUNSELLING_ORG, "Phòng tham vấn tâm lý (mẫu)", "Tham vấn tâm lý", ServiceType.COUNSELLING),
)
BEDS = {Population.WOMEN: 8, Population.FAMILIES: 4}
LICENSED_ON = date(2021, 6, 1)


def sow(runtimes: Mapping[str, Runtime]) -> None:
    """Sow what is not there yet; a house that has organisations or agencies of its own keeps them as they are."""
    _sow_directory(runtimes["referral"])
    _sow_agency(runtimes["registry"])


def _sow_directory(referral: Runtime) -> None:
    with referral.session(Act("system:seed", "sow", "seed")) as session:
        if session.exec(select(Organization.id).limit(1)).first() is not None:
            return
        for organization_id, name, service_name, service_type in ORGANIZATIONS:
            organization = Organization(id=organization_id, name=name)
            session.add(organization)
            session.flush()
            service = Service(
                organization_id=organization_id,
                name=service_name,
                service_type=service_type,
                provinces=[],
                populations=[Population.WOMEN, Population.FAMILIES, Population.ANY],
            )
            session.add(service)
            session.flush()
            if service_type is ServiceType.SHELTER:
                session.add_all(
                    Capacity(service_id=service.id, population=population, total=total, counted_at=now())
                    for population, total in BEDS.items()
                )
            publish(session, organization, OrganizationListed(organization_id=organization_id, active=True))
        session.commit()
    referral.wake()


def _sow_agency(registry: Runtime) -> None:
    with registry.session(Act("system:seed", "sow", "seed")) as session:
        if session.exec(select(Agency.id).limit(1)).first() is not None:
            return
        agency = Agency(
            id=DEMO_AGENCY,
            name="Công ty cung ứng lao động Bình Minh (mẫu)",
            licence_number="000/LĐTBXH-GP (mẫu)",
            enterprise_code="0100000000",
            licence_status=LicenceStatus.ACTIVE,
            licence_status_on=LICENSED_ON,
        )
        session.add(agency)
        session.flush()
        session.add(LicenceEvent(agency_id=DEMO_AGENCY, status=LicenceStatus.ACTIVE, status_on=LICENSED_ON))
        session.commit()


def main() -> None:
    """Sow from a process of its own, with the environment of the services."""
    opened = [open_referral(ReferralSettings()), open_registry(RegistrySettings())]
    try:
        sow({runtime.service: runtime for runtime in opened})
    finally:
        for runtime in opened:
            runtime.close()


if __name__ == "__main__":
    main()
