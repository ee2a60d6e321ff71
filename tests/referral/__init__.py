"""Tests of referral: directory, beds, referrals, and the webhooks that tell of them."""
