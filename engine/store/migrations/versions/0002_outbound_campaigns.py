"""Outbound campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("seller", sa.String(), nullable=False),
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("trunk_id", sa.String(), nullable=False),
        sa.Column("intent_us", sa.BigInteger(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("connected_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("outcome_us", sa.BigInteger(), nullable=True),
        sa.Column("wait_us", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_attempt_campaign_id_intent_us"), ["campaign_id", "intent_us"], unique=False
        )
        batch_op.create_index(
            "ix_attempt_live",
            ["campaign_id", "answered_us"],
            unique=False,
            sqlite_where=sa.text("outcome IN ('connected', 'abandoned', 'hung-up-early')"),
            postgresql_where=sa.text("outcome IN ('connected', 'abandoned', 'hung-up-early')"),
        )
        batch_op.create_index(
            "ix_attempt_live_seller",
            ["seller", "answered_us"],
            unique=False,
            sqlite_where=sa.text("outcome IN ('connected', 'abandoned', 'hung-up-early')"),
            postgresql_where=sa.text("outcome IN ('connected', 'abandoned', 'hung-up-early')"),
        )
        batch_op.create_index(batch_op.f("ix_attempt_number_intent_us"), ["number", "intent_us"], unique=False)
        batch_op.create_index(
            "ix_attempt_open",
            ["intent_us"],
            unique=False,
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )

    op.create_table(
        "campaign_span",
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "start_us", "position", name=op.f("pk_campaign_span")),
    )
    op.create_table(
        "do_not_call",
        sa.Column("lookup", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("added_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lookup", name=op.f("pk_do_not_call")),
    )
    op.create_table(
        "lead",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_outcome", sa.String(), nullable=True),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("lease_us", sa.BigInteger(), nullable=True),
        sa.Column("attempt_id", sa.String(), nullable=True),
        sa.Column("import_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead")),
        sa.UniqueConstraint("campaign_id", "number", name=op.f("uq_lead_campaign_id_number")),
    )
    with op.batch_alter_table("lead", schema=None) as batch_op:
        batch_op.create_index(
            "ix_lead_attempt",
            ["attempt_id"],
            unique=True,
            sqlite_where=sa.text("attempt_id IS NOT NULL"),
            postgresql_where=sa.text("attempt_id IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_lead_campaign_id_state"), ["campaign_id", "state"], unique=False)
        batch_op.create_index(
            "ix_lead_leased",
            ["lease_us"],
            unique=False,
            sqlite_where=sa.text("state = 'claimed'"),
            postgresql_where=sa.text("state = 'claimed'"),
        )
        batch_op.create_index(batch_op.f("ix_lead_number"), ["number"], unique=False)
        batch_op.create_index(
            "ix_lead_waiting",
            ["group_id", "next_us", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'new'"),
            postgresql_where=sa.text("state = 'new'"),
        )

    op.create_table(
        "lead_group",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("zones", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_group")),
        sa.UniqueConstraint("campaign_id", "priority", "zones", name=op.f("uq_lead_group_campaign_id_priority_zones")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lead_import",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("begun_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_import")),
    )
    with op.batch_alter_table("lead_import", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lead_import_campaign_id_begun_us"), ["campaign_id", "begun_us"], unique=False
        )

    op.create_table(
        "live_answers_hour",
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("seller", sa.String(), nullable=False),
        sa.Column("hour_us", sa.BigInteger(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("drops", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "seller", "hour_us", name=op.f("pk_live_answers_hour")),
    )
    with op.batch_alter_table("live_answers_hour", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_live_answers_hour_seller_hour_us"), ["seller", "hour_us"], unique=False)

    op.create_table(
        "rejected_row",
        sa.Column("import_id", sa.String(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("masked", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_rejected_row")),
    )
    op.create_table(
        "trunk_span",
        sa.Column("trunk_id", sa.String(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("trunk_id", "start_us", "position", name=op.f("pk_trunk_span")),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), server_default="{}", nullable=False),
        sa.Column("state", sa.String(), server_default="stopped", nullable=False),
        sa.Column("begun_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["unit"], ["unit.id"], name=op.f("fk_campaign_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
    )
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("campaign_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("attempt_id", sa.String(), nullable=True))
