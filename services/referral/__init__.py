"""Referral: the directory of partners, their beds, what they are asked to do, and the webhooks that tell them."""
