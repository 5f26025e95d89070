"""PostgreSQL, Valkey and the processes of the Procfile on one machine, with nothing installed but this project's packages."""
