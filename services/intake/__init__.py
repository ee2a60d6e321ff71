"""Intake: people, their complaints and cases, screening, consent, the referrals that stand on it, and outcomes."""
