"""Intake's API, by noun."""

from services.intake.routes import cases, consents, figures, outcomes, people, referrals, screenings

ROUTERS = (cases.api, outcomes.api, people.api, screenings.api, consents.api, referrals.api, figures.api)
