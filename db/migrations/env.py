"""Run by alembic, in the transaction and the connection of `db.migrations.upgrade`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="jobs",
    transactional_ddl=True,
)
context.run_migrations()
